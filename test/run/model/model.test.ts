import { afterAll, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Logger, LogLevel } from "effect"
import { numRuns } from "../../numRuns.js"
import * as VirtualClock from "../VirtualClock.js"
import { check } from "./Check.js"
import * as Coverage from "./Coverage.js"
import * as Drive from "./Drive.js"
import * as Expected from "./Expected.js"
import * as RandomGraph from "./RandomGraph.js"

const sometimes = (weight: number) =>
  fc.oneof({ weight: 10 - weight, arbitrary: fc.constant(false) }, { weight, arbitrary: fc.constant(true) })

const cut: fc.Arbitrary<Drive.Cut> = fc.record({
  how: fc.constantFrom("close", "interrupt", "crash", "cancel", "cancel", "timeout"),
  after: fc.oneof(fc.nat(6), fc.nat(60)),
  suspended: sometimes(3)
})

const cases: fc.Arbitrary<Drive.Case> = fc
  .record({
    graph: RandomGraph.graph,
    isTame: sometimes(6),
    mayStop: sometimes(3),
    seed: fc.nat(1000),
    policy: fc.record({
      concurrency: fc.integer({ min: 1, max: 6 }),
      onFailure: fc.constantFrom("failFast" as const, "continue" as const),
      durability: fc.constantFrom("buffered" as const, "committed" as const),
      alwaysDecode: fc.boolean(),
      owned: fc.boolean(),
      eager: fc.boolean()
    }),
    cuts: fc.array(cut, { minLength: 1, maxLength: 4 })
  })
  .map(({ graph, isTame, mayStop, ...rest }) => {
    const stopping = mayStop ? graph : RandomGraph.unstopped(graph)
    return { ...rest, graph: isTame ? RandomGraph.tamed(stopping) : stopping }
  })

/** Runs the graph of a case and looks at the run. */
const run = (given: Drive.Case, expected: Expected.Expected, cuts: ReadonlyArray<Drive.Cut>) =>
  VirtualClock.test((time) => Drive.drive(time, given, expected, cuts)).pipe(
    Effect.scoped,
    Logger.withMinimumLogLevel(LogLevel.None),
    Effect.tap((driven) => Effect.sync(() => check(given, expected, driven)))
  )

const coverage = Coverage.make()

describe("random graphs of all kinds of modules", () => {
  afterAll(() => coverage.report(numRuns))

  it.effect.prop(
    "give the same whether they are interrupted or not, and what the specification says",
    [cases],
    ([given]) =>
      Effect.gen(function* () {
        const { graph, policy, seed } = given
        const expected = Expected.of(graph, seed, policy.onFailure === "failFast", Drive.isBlind(given))
        yield* run(given, expected, [])
        coverage.add(given, expected, yield* run(given, expected, given.cuts))
      }),
    { fastCheck: { numRuns }, timeout: 600_000 }
  )
})
