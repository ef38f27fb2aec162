/** Producers of updates for runs and keyed state, a store that fails, and what must hold whatever their order. */
import { Context, Effect, Exit, Fiber, Layer, Option, Random, Scope, TestClock } from "effect"
import { RunId, RunSnapshot, RunStore, StateWriter, Timeline, type Transition } from "heddle"
import type { Claim, RunUpdate } from "heddle/state/Update"
import { check, Violation } from "./Violation.js"
import * as Witness from "./Witness.js"

const runs = ["a", "b", "c"]
const modules = ["m0", "m1", "m2"]

/** What a producer has offered of its run. */
interface Produced {
  readonly claim: Claim
  readonly offered: Array<Transition.Transition>
  readonly accepted: Array<number>
  readonly acknowledged: Array<number>
}

const newRun = (name: string) => ({
  runId: RunId.make(name),
  dag: "d",
  fingerprint: "f",
  total: modules.length,
  input: "{}",
  policy: JSON.stringify({ concurrency: "unbounded", onFailure: "failFast", durability: "committed" }),
  signals: "[]",
  owner: "me",
  createdAt: 0
})

/** A few turns of the others. */
const pause = Effect.flatMap(Random.nextIntBetween(0, 4), (n) => Effect.repeatN(Effect.yieldNow(), n))

/** Goes on whatever is refused. */
const produce = (writer: typeof StateWriter.StateWriter.Service, witness: Witness.Witness, produced: Produced) =>
  Effect.gen(function* () {
    const { accepted, acknowledged, claim, offered } = produced
    const isCommitted = (seq: number) => witness.transitions.get(claim.runId)?.has(seq) === true
    let lie: string | undefined
    const offer = (module: string, status: "scheduled" | "running" | "completed") =>
      Effect.gen(function* () {
        const seq = offered.length + 1
        const transition: Transition.Transition = { _tag: "ModuleTransition", seq, at: seq, module, status, attempt: 1 }
        offered.push(transition)
        const durability = (yield* Random.nextBoolean) ? "buffered" : "committed"
        const update: RunUpdate = { claim, transition, output: status === "completed" ? `${seq}` : null, durability }
        const acknowledge = () => {
          acknowledged.push(seq)
          if (!isCommitted(seq)) lie ??= `transition ${seq} of ${claim.runId} was acknowledged before it was committed`
        }
        const way = yield* Random.nextIntBetween(0, 3)
        if (way === 0) {
          if (Exit.isSuccess(yield* Effect.exit(writer.update(update)))) accepted.push(seq)
        } else if (way === 1) {
          if (Exit.isSuccess(yield* Effect.exit(writer.updateDurable(update)))) {
            accepted.push(seq)
            acknowledge()
          }
        } else {
          writer.unsafeUpdate(update, {
            accepted: () => accepted.push(seq),
            settled: (result) => void (Exit.isSuccess(result) && acknowledge())
          })
        }
        if (lie !== undefined) return yield* new Violation({ what: lie })
        yield* pause
      })
    for (const module of modules) {
      for (const status of ["scheduled", "running", "completed"] as const) {
        yield* offer(module, status)
      }
      // late, as from a fiber that was slow
      if (yield* Random.nextBoolean) yield* offer(module, "running")
    }
  })

/** One writer and several readers of a number that only grows. */
const count = (writer: typeof StateWriter.StateWriter.Service, key: string) => {
  const highest = 6
  let offered = 0
  let accepted = 0
  const write = Effect.gen(function* () {
    for (let n = 1; n <= highest; n++) {
      offered = n
      const update = { key, set: { n } }
      yield* (yield* Random.nextBoolean) ? writer.update(update) : writer.updateDurable(update)
      accepted = n
      yield* pause
    }
  })
  const read = Effect.gen(function* () {
    let last = 0
    for (let i = 0; i < 4; i++) {
      const atLeast = Math.max(last, accepted)
      const state = yield* writer.get(key)
      const seen = Option.match(state, { onNone: () => 0, onSome: ({ n }) => Number(n) })
      yield* check(seen >= atLeast && seen <= offered, () => `${key} read ${seen}, not ${atLeast} to ${offered}`)
      last = seen
      yield* pause
    }
  })
  return { write, read, highest }
}

/** Lets time pass until the effect has ended. */
export const within = <A, E, R>(effect: Effect.Effect<A, E, R>, what: string) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    for (let i = 0; i < 400; i++) {
      if (Option.isSome(yield* Fiber.poll(fiber))) return yield* Fiber.join(fiber)
      yield* TestClock.adjust("20 millis")
    }
    return yield* new Violation({ what: `${what} never ended` })
  })

/** The stored history is gapless, and the rows say the same as it. */
export const checkStored = (store: typeof RunStore.RunStore.Service, name: string) =>
  Effect.gen(function* () {
    const runId = RunId.make(name)
    const timeline = yield* Timeline.Timeline
    const { snapshot } = Option.getOrThrow(yield* timeline.get(runId))
    const history = yield* store.history(runId, { after: 0, limit: Infinity })
    yield* check(
      history.every(({ seq }, i) => seq === i + 1),
      () => `the history of ${name} is ${history.map(({ seq }) => seq).join(", ")}`
    )
    const begin = RunSnapshot.make({ ...snapshot, startedAt: 0 })
    const fold = history.reduce(RunSnapshot.evolve, begin)
    for (const [module, { attempt, finishedAt, status }] of fold.modules) {
      const row = RunSnapshot.module(snapshot, module)
      yield* check(
        row.status === status && row.attempt === attempt && row.finishedAt === finishedAt,
        () => `${module} of ${name} is ${status} by the history and ${row.status} by its row`
      )
    }
    const rows = Array.from(snapshot.modules, ([module]) => module).filter(
      (module) => RunSnapshot.module(fold, module).status === "pending"
    )
    yield* check(rows.length === 0, () => `${rows.join(", ")} of ${name} have rows and no history`)
    return { history, snapshot }
  }).pipe(Effect.provide(Layer.provide(Timeline.layer, Layer.succeed(RunStore.RunStore, store))))

export const scenario = Effect.gen(function* () {
  const witness = yield* Witness.make({ transient: 0.06, permanent: 0.2, poison: "b" })
  const { store } = witness
  for (const name of runs) yield* store.open(newRun(name))
  const scope = yield* Scope.make()
  const capacity = yield* Random.nextIntBetween(2, 8)
  const batchSize = yield* Random.nextIntBetween(1, 5)
  const context = yield* Layer.buildWithScope(
    Layer.provide(
      StateWriter.layer({ capacity, batchSize, interval: "50 millis", cache: 1 }),
      Layer.succeed(RunStore.RunStore, store)
    ),
    scope
  )
  const writer = Context.get(context, StateWriter.StateWriter)
  const produced = runs.map((name): Produced => ({
    claim: { runId: RunId.make(name), epoch: 1 },
    offered: [],
    accepted: [],
    acknowledged: []
  }))
  const counters = ["x", "y"].map((key) => count(writer, key))
  const takeOver = Effect.zipRight(
    pause,
    store.claim({ runId: RunId.make("c"), owner: "other", now: 1, expiredBefore: Infinity, reopen: false })
  )
  yield* within(
    Effect.all(
      [
        ...produced.map((run) => produce(writer, witness, run)),
        ...counters.flatMap(({ read, write }) => [write, read, read]),
        takeOver
      ],
      { concurrency: "unbounded", discard: true }
    ),
    "the work"
  )
  yield* within(writer.flush, "a flush")
  const { batches, depth, failed, inFlight, processed, queued } = yield* writer.stats
  yield* check(
    queued === processed + failed + depth + inFlight && depth === 0 && inFlight === 0,
    () => `${queued} were queued, ${processed} processed, ${failed} failed, ${depth} left, ${inFlight} in flight`
  )
  yield* check(batches === witness.commits, () => `${batches} batches were ${witness.commits} transactions`)
  yield* within(Scope.close(scope, Exit.void), "the close")

  for (const { accepted, acknowledged, claim, offered } of produced) {
    const { history, snapshot } = yield* checkStored(store, claim.runId)
    yield* check(
      history.every(({ seq }) => seq <= offered.length),
      () => `${claim.runId} has what was never offered`
    )
    yield* check(
      acknowledged.every((seq) => seq <= history.length),
      () => `an acknowledged update of ${claim.runId} is lost: ${Math.max(...acknowledged)} of ${history.length}`
    )
    yield* check(
      acknowledged.every((seq, i) => i === 0 || acknowledged[i - 1]! < seq),
      () => `the updates of ${claim.runId} were acknowledged as ${acknowledged.join(", ")}`
    )
    yield* check(
      accepted.every((seq, i) => i === 0 || accepted[i - 1]! < seq),
      () => `the updates of ${claim.runId} were accepted as ${accepted.join(", ")}`
    )
    for (const [module, { status }] of snapshot.modules) {
      const completed = history.some(
        (t) => t._tag === "ModuleTransition" && t.module === module && t.status === "completed"
      )
      yield* check(!completed || status === "completed", () => `${module} of ${claim.runId} went back to ${status}`)
    }
  }
  for (const [i, key] of ["x", "y"].entries()) {
    const stored = (yield* store.state(key)).get("n")
    yield* check(stored === `${counters[i]!.highest}`, () => `${key} is stored as ${stored}`)
  }
}).pipe(Effect.scoped)
