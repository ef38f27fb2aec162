/**
 * The run that is killed at its points, over `heddle.db`. LAYERED_DURABILITY is its level, LAYERED_SIZE may say how many
 * layers it has, and of what width. It notes what begins, and what is
 * reported to be done.
 */
import { Array, Config, Effect, Fiber, Option, Stream } from "effect"
import { Engine, Heddle } from "heddle"
import type { RunSnapshot, Transition } from "heddle"
import { Durability } from "heddle/model/RunPolicy"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import * as CrashExplorer from "heddle/testing/CrashExplorer"
import * as Layered from "../Layered.js"
import { points } from "../Protocol.js"

const { filename, runId, seed } = points

const completed = (change: RunSnapshot.RunSnapshot | Transition.Transition): ReadonlyArray<string> => {
  if (change._tag === "RunSnapshot") {
    return Array.filterMap(change.modules, ([name, { status }]) =>
      status === "completed" ? Option.some(name) : Option.none()
    )
  }
  return change._tag === "ModuleTransition" && change.status === "completed" ? [change.module] : []
}

const program = Effect.gen(function* () {
  const durability = yield* Config.literal(...Durability.literals)("LAYERED_DURABILITY")
  const [layers, width] = yield* Config.withDefault(Config.array(Config.integer(), "LAYERED_SIZE"), [
    points.size.layers,
    points.size.width
  ])
  const size = { ...points.size, layers, width }
  const dag = Layered.dag(size, {
    began: (module) => Effect.runSync(CrashExplorer.note(`began ${module}`)),
    interrupted: () => {},
    gate: Effect.void
  })
  const handle = yield* Engine.start(dag, { seed }, { runId, durability })
  const observer = yield* Effect.fork(
    Stream.runForEach(handle.changes, (change) =>
      Effect.forEach(completed(change), (module) => CrashExplorer.note(`reported ${module}`))
    )
  )
  yield* handle.await
  yield* Fiber.join(observer)
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(Heddle.layer({ writer: { interval: "1 millis" } })),
    Effect.provide(CrashExplorer.layer),
    Effect.provide(RunStoreSqlite.layer({ filename }))
  )
)
