/**
 * Writers over the test's store, what they are given, and what becomes of it.
 */
import { assert } from "@effect/vitest"
import {
  Array,
  Cause,
  Context,
  Effect,
  Exit,
  Fiber,
  FiberRef,
  HashMap,
  Layer,
  Option,
  Scope,
  Supervisor,
  TestClock
} from "effect"
import { RunId, RunStore, StateWriter } from "heddle"
import type { ModuleStatus, Transition } from "heddle"
import type { Claim, Level, RunUpdate } from "heddle/state/Update"
import * as ControlledStore from "./ControlledStore.js"

export type Writer = typeof StateWriter.StateWriter.Service
export type Result = Exit.Exit<void, StateWriter.WriteError>

/** Until nothing happens any more; no time passes. */
export const quiet = TestClock.adjust(0)

/** Ends even when a test has failed while the store hangs and its clock stands still. */
const withTime = (close: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkDaemon(close)
    while (!(yield* isDone(fiber))) yield* TestClock.adjust("1 hour")
  })

/** A writer over the test's store that the test closes; else it closes with the test. */
export const closable = (options: Partial<StateWriter.Options> = {}) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => withTime(Scope.close(scope, exit)))
    const context = yield* Layer.buildWithScope(StateWriter.layer(options), scope)
    return { writer: Context.get(context, StateWriter.StateWriter), close: Scope.close(scope, Exit.void) }
  })

/** A writer over the test's store; it closes with the test. */
export const writerOf = (options: Partial<StateWriter.Options> = {}) =>
  Effect.map(closable(options), ({ writer }) => writer)

const isWriter = (fiber: Fiber.RuntimeFiber<unknown, unknown>) => {
  const annotations = fiber.getFiberRef(FiberRef.currentLogAnnotations)
  return HashMap.has(annotations, "fiber") && Option.contains(HashMap.get(annotations, "module"), "StateWriter")
}

/** What the effect gives, and the writer's fiber that it has started. */
export const withFiber = <A, E, R>(build: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const supervisor = yield* Supervisor.track
    const built = yield* Effect.supervised(build, supervisor)
    // it says what it is in its first steps
    for (let turn = 0; turn < 100; turn++) {
      const [fiber, ...others] = (yield* supervisor.value).filter(isWriter)
      assert.lengthOf(others, 0, "one fiber writes")
      if (fiber !== undefined) return { built, fiber }
      yield* Effect.yieldNow()
    }
    return yield* Effect.dieMessage("no fiber writes")
  })

/** A writer over the test's store, and what kills its fiber; it closes with the test. */
export const killable = (options: Partial<StateWriter.Options> = {}) =>
  Effect.map(withFiber(writerOf(options)), ({ built, fiber }) => ({ writer: built, kill: Fiber.interrupt(fiber) }))

interface Fields {
  readonly durable?: boolean
  readonly level?: Level
  readonly output?: string
  readonly attempt?: number
  readonly failure?: Transition.Failure
  readonly pace?: RunUpdate["pace"]
}

/** The updates of one run, numbered as they are made. */
export const updatesOf = (claim: Claim) => {
  let seq = 0
  const update = (transition: Transition.Transition, fields: Fields): RunUpdate => ({
    claim,
    transition,
    output: fields.output ?? null,
    durability: fields.level ?? (fields.durable === true ? "committed" : "buffered"),
    pace: fields.pace
  })
  return {
    claim,
    runId: claim.runId,
    module: (module: string, status: ModuleStatus.ModuleStatus, fields: Fields = {}): RunUpdate => {
      const at = 1000 + ++seq
      const { attempt = 1, failure } = fields
      return update(
        {
          _tag: "ModuleTransition",
          seq,
          at,
          module,
          status,
          attempt,
          ...(failure === undefined ? {} : { failure })
        },
        fields
      )
    },
    run: (status: Transition.RunStatus, fields: Fields = {}): RunUpdate =>
      update({ _tag: "RunTransition", seq: ++seq, at: 1000 + seq, status, epoch: claim.epoch }, fields)
  }
}

/** A run in the test's store. */
export const openRun = (name: string) =>
  Effect.gen(function* () {
    const store = yield* RunStore.RunStore
    const run = ControlledStore.newRun(name)
    yield* store.open({ ...run, owner: "me", createdAt: 0 })
    return updatesOf({ runId: run.runId, epoch: 1 })
  })

/** The numbers of a run's stored transitions. */
export const stored = (name: string) =>
  Effect.gen(function* () {
    const history = yield* (yield* RunStore.RunStore).history(RunId.make(name), { after: 0, limit: Infinity })
    return history.map(({ seq }) => seq)
  })

/** The rows of a run's modules. */
export const rows = (name: string) =>
  Effect.gen(function* () {
    return Option.getOrThrow(yield* (yield* RunStore.RunStore).get(RunId.make(name))).modules
  })

/** The fields of a keyed state that are stored, as JSON values; undefined when there are none. */
export const storedState = (key: string) =>
  Effect.gen(function* () {
    const fields = yield* (yield* RunStore.RunStore).state(key)
    if (fields.size === 0) return undefined
    return Object.fromEntries(Array.fromIterable(fields).map(([field, text]) => [field, JSON.parse(text) as unknown]))
  })

export interface Fate {
  readonly seq: number
  accepted: number
  readonly results: Array<Result>
}

/** What becomes of updates, in the order of the reports. */
export const observer = (writer: Writer) => {
  const events: Array<string> = []
  return {
    events,
    offer: (update: RunUpdate): Fate => {
      const { seq } = update.transition
      const fate: Fate = { seq, accepted: 0, results: [] }
      writer.unsafeUpdate(update, {
        accepted: () => {
          fate.accepted++
          events.push(`accepted ${seq}`)
        },
        settled: (result) => {
          fate.results.push(result)
          events.push(`settled ${seq}`)
        }
      })
      return fate
    }
  }
}

export const errorOf = <E>(result: Exit.Exit<void, E> | undefined): E => {
  assert(result !== undefined && Exit.isFailure(result))
  return Option.getOrThrow(Cause.failureOption(result.cause))
}

/** The one result of an update. */
export const resultOf = (fate: Fate): string => {
  assert.lengthOf(fate.results, 1, `update ${fate.seq} is settled once`)
  const [result] = fate.results
  return Exit.isSuccess(result!) ? "written" : errorOf(result)._tag
}

export const isDone = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) => Effect.map(Fiber.poll(fiber), Option.isSome)

export const seqs = (batch: ControlledStore.Batch) =>
  batch.flatMap(({ transitions }) => transitions.map(({ seq }) => seq))

/** How many updates were in each batch that was written. */
export const sizes = (control: ControlledStore.Control) => control.written.map((batch) => seqs(batch).length)

export const has = (batch: ControlledStore.Batch, name: string) => batch.some(({ runId }) => runId === name)

/** Whether the batch has changes of this keyed state. */
export const hasState = (batch: RunStore.Batch, key: string) => batch.states.some((change) => change.key === key)

/** Everything that was accepted is somewhere. */
export const checkCounts = (counts: StateWriter.Counts, what: string) => {
  const { depth, failed, inFlight, processed, queued } = counts
  assert.strictEqual(queued, processed + failed + depth + inFlight, `${what}: ${JSON.stringify(counts)}`)
  for (const [name, count] of Object.entries(counts)) assert.isAtLeast(count, 0, `${what}: ${name}`)
}
