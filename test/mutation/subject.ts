/** What is bundled, whole or with a fault: the scenarios over the code that they import. */
import { Effect, TestContext, Logger, LogLevel } from "effect"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import * as EngineScenario from "../seeds/EngineScenario.js"
import * as WriterScenario from "../seeds/WriterScenario.js"

const scenarios = { engine: EngineScenario.scenario, writer: WriterScenario.scenario }

export type Scenario = keyof typeof scenarios

/** The seeds of these at which the scenario finds something wrong, and what. */
export const explore = (name: Scenario, seeds: ReadonlyArray<number>) =>
  SeededScheduler.failures<void, unknown, never>({
    seeds,
    timeout: "3 seconds",
    effect: scenarios[name].pipe(Effect.provide(TestContext.TestContext), Logger.withMinimumLogLevel(LogLevel.None))
  }).pipe(
    Effect.map((failures) => failures.map(({ cause, seed }) => ({ seed, what: String(cause) }))),
    Effect.runPromise
  )
