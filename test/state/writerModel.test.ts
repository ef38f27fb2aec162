/** Writers against a model: random updates, faults and ends; compared with what is stored after each restart. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Fiber, HashMap, Layer, Option, Schedule, Scope, TestClock } from "effect"
import { RunId, Timeline } from "heddle"
import type { RunSnapshot } from "heddle"
import type { Level } from "heddle/state/Update"
import { numRuns } from "../numRuns.js"
import * as ControlledStore from "./ControlledStore.js"
import * as FaultedStore from "./FaultedStore.js"
import * as WriterModel from "./WriterModel.js"
import { checkCounts, killable, quiet, storedState } from "./Writers.js"

const runs = ["a", "b"]
const keys = ["k", "l"]

const field = fc.constantFrom("x", "y", "z")
const level = fc.constantFrom<Array<Level>>("buffered", "buffered", "committed", "fsynced")
const way = fc.constantFrom<Array<WriterModel.Way>>("unsafe", "update", "durable")

const patch: fc.Arbitrary<WriterModel.Patch> = fc
  .record({ set: fc.dictionary(field, fc.nat(9), { noNullPrototype: true }), clear: fc.uniqueArray(field) })
  .map(({ clear, set }) => ({ set, clear: clear.filter((name) => !Object.hasOwn(set, name)) }))

const action = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      _tag: fc.constant("Run" as const),
      name: fc.constantFrom(...runs),
      module: fc.constantFrom("m", "n", "o"),
      choice: fc.nat(99),
      way,
      level
    })
  },
  {
    weight: 20,
    arbitrary: fc.record({ _tag: fc.constant("State" as const), key: fc.constantFrom(...keys), patch, way, level })
  },
  {
    weight: 5,
    arbitrary: fc.record({ _tag: fc.constant("Yield" as const), times: fc.integer({ min: 1, max: 15 }) })
  },
  {
    weight: 4,
    arbitrary: fc.record({ _tag: fc.constantFrom("Flush" as const, "Withdraw" as const, "Read" as const) })
  },
  {
    weight: 5,
    arbitrary: fc.record({
      _tag: fc.constantFrom("Poison" as const, "TakeOver" as const),
      name: fc.constantFrom(...runs, ...keys)
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({ _tag: fc.constantFrom("Close" as const, "Kill" as const), times: fc.nat(8) })
  }
)

const fault = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom<Array<FaultedStore.Fault>>("none", "slow") },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Array<FaultedStore.Fault>>("busy", "lost", "fails", "fails after", "dies")
  },
  { weight: 1, arbitrary: fc.constantFrom<Array<FaultedStore.Fault>>("hangs", "hangs after") }
)

const letterFault = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Array<FaultedStore.Fault>>("none", "slow") },
  { weight: 1, arbitrary: fc.constantFrom<Array<FaultedStore.Fault>>("busy", "fails", "dies", "hangs") }
)

const plain = ({ modules, shared, ...snapshot }: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  modules: Object.fromEntries(HashMap.toEntries(modules)),
  shared: Object.fromEntries(HashMap.toEntries(shared))
})

describe("the writer against a model", () => {
  it.effect.prop(
    "what was accepted is stored, in a dead letter or reported; what was acknowledged is stored",
    [
      fc.array(action, { minLength: 1, maxLength: 80 }),
      fc.array(fault, { maxLength: 25 }),
      fc.array(letterFault, { maxLength: 8 }),
      fc.record({
        capacity: fc.integer({ min: 1, max: 6 }),
        batchSize: fc.integer({ min: 1, max: 6 }),
        cache: fc.integer({ min: 1, max: 4 }),
        whenFull: fc.constantFrom("wait" as const, "wait" as const, "fail" as const)
      })
    ],
    ([actions, faults, letterFaults, options]) =>
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        let commits = 0
        let letters = 0
        const store = yield* FaultedStore.make({
          commit: () => faults[commits++] ?? "none",
          letter: () => letterFaults[letters++] ?? "none"
        })
        const model = yield* WriterModel.make(store, { runs, keys })

        const begin = Effect.gen(function* () {
          const scope = yield* Scope.make()
          const made = yield* killable({
            ...options,
            interval: "1 hour",
            retry: Schedule.recurs(2),
            close: "1 second"
          }).pipe(Scope.extend(scope))
          // what it knows is what is stored
          for (const key of keys) {
            assert.deepStrictEqual(Option.getOrUndefined(yield* made.writer.get(key)), yield* storedState(key))
          }
          for (const name of runs) {
            const [known, stored] = [
              yield* made.writer.run(RunId.make(name)),
              Option.map(yield* timeline.get(RunId.make(name)), ({ snapshot }) => snapshot)
            ]
            assert.deepStrictEqual(Option.map(known, plain), Option.map(stored, plain))
          }
          assert.strictEqual((yield* made.writer.stats).queued, 0)
          return { ...made, fibers: [] as Array<Fiber.RuntimeFiber<unknown, unknown>> }
        })
        let current = yield* begin

        const end = (how: "Close" | "Kill" | "Rest", times: number) =>
          Effect.gen(function* () {
            const { fibers, kill, writer } = current
            const ending = yield* Effect.fork(how === "Kill" ? kill : Effect.asVoid(writer.close))
            yield* Effect.replicateEffect(Effect.yieldNow(), times)
            let seconds = 0
            while (Option.isNone(yield* Fiber.poll(ending))) {
              assert.isBelow(++seconds, 10, "it ends within its time")
              yield* TestClock.adjust("1 second")
            }
            yield* quiet
            for (const fiber of fibers) assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)), "nobody waits")
            yield* model.ended(writer)
            store.poisoned.clear()
            for (const name of runs) yield* model.drive(name)
          })

        for (const action of actions) {
          const { fibers, writer } = current
          switch (action._tag) {
            case "Run":
              fibers.push(yield* Effect.fork(Effect.exit(model.updateRun(writer, action.name, action))))
              yield* Effect.yieldNow()
              break
            case "State": {
              const { key, level, patch, way } = action
              fibers.push(yield* Effect.fork(Effect.exit(model.updateState(writer, key, patch, way, level))))
              yield* Effect.yieldNow()
              break
            }
            case "Yield":
              yield* Effect.replicateEffect(Effect.yieldNow(), action.times)
              break
            case "Flush":
              fibers.push(yield* Effect.fork(writer.flush))
              break
            case "Withdraw": {
              const waiting = fibers.find((fiber) => fiber.unsafePoll() === null)
              if (waiting !== undefined) yield* Fiber.interrupt(waiting)
              break
            }
            case "Read":
              for (const key of keys) yield* writer.get(key)
              for (const name of runs) yield* writer.run(RunId.make(name))
              break
            case "Poison":
              store.poisoned.add(action.name)
              break
            case "TakeOver":
              if (runs.includes(action.name)) yield* model.drive(action.name)
              break
            case "Close":
            case "Kill":
              yield* end(action._tag, action.times)
              current = yield* begin
          }
          checkCounts(yield* current.writer.stats, action._tag)
          yield* model.check
        }
        yield* end("Close", 0)
        yield* begin
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Timeline.layer, ControlledStore.layer))),
    { fastCheck: { numRuns } }
  )
})
