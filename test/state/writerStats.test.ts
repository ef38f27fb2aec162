/** What a writer says of itself. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Chunk, Effect, Exit, FastCheck as fc, Fiber, Option, Queue, Schedule, Stream, TestClock } from "effect"
import { RunId, RunStore, type StateWriter } from "heddle"
import { numRuns } from "../numRuns.js"
import * as ControlledStore from "./ControlledStore.js"
import {
  checkCounts,
  closable,
  has,
  hasState,
  killable,
  observer,
  openRun,
  quiet,
  resultOf,
  writerOf,
  type Writer
} from "./Writers.js"

const pick = <K extends keyof StateWriter.Stats>(writer: Writer, ...keys: ReadonlyArray<K>) =>
  Effect.map(writer.stats, (stats) => keys.map((key) => stats[key]))

/** What a queue has by now. */
const takeAll = <A>(queue: Queue.Dequeue<A>) => Effect.map(Queue.takeAll(queue), Chunk.toReadonlyArray)

/** Looks at each of the stats that a consumer is given that is never behind. */
const watch = (writer: Writer) =>
  Effect.gen(function* () {
    const seen = yield* Queue.unbounded<StateWriter.Stats>()
    const fiber = yield* Effect.fork(Stream.runForEach(writer.changes, (stats) => Queue.offer(seen, stats)))
    return { fiber, seen }
  })

describe("stats", () => {
  it.effect.prop(
    "at every look, of everything and of each run: queued = processed + failed + depth + inFlight",
    [
      fc.array(
        fc.record({
          of: fc.constantFrom("a", "b", "k", "l"),
          action: fc.constantFrom("unsafe", "unsafe", "update", "durable", "flush", "withdraw", "fail", "lose", "wait"),
          durable: fc.boolean(),
          turns: fc.nat(5)
        }),
        { maxLength: 50 }
      ),
      fc.array(fc.constantFrom("commits", "yields", "busy", "fails"), { maxLength: 12 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom("wait" as const, "fail" as const),
      fc.constantFrom("close" as const, "kill" as const)
    ],
    ([actions, faults, capacity, batchSize, whenFull, ending]) =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const store = yield* RunStore.RunStore
        const { kill, writer } = yield* killable({ capacity, batchSize, whenFull, interval: "20 millis", cache: 2 })
        const failing = new Set<string>()
        let commits = 0
        control.commit = (runs, commit, batch) =>
          Effect.suspend(() => {
            if ([...failing].some((key) => has(runs, key) || hasState(batch, key))) {
              return Effect.fail(ControlledStore.broken("full"))
            }
            switch (faults[commits++]) {
              case "yields":
                return Effect.zipRight(Effect.replicateEffect(Effect.yieldNow(), 4), commit)
              case "busy":
                return Effect.fail(ControlledStore.broken("busy"))
              case "fails":
                return Effect.fail(ControlledStore.broken("failed"))
              default:
                return commit
            }
          })
        control.bury = (bury) => Effect.zipRight(Effect.replicateEffect(Effect.yieldNow(), 3), bury)

        const runs = { a: yield* openRun("a"), b: yield* openRun("b") }
        /** What was told of the updates, and to whom. */
        let accepted = 0
        let written = 0
        let refused = 0
        const look = (where: string) => {
          const stats = Effect.runSync(writer.stats)
          checkCounts(stats, where)
          assert.isAtMost(stats.coalesced, stats.queued, where)
          assert.isAtMost(stats.depth + stats.inFlight, stats.queued, where)
          for (const { runId } of Object.values(runs)) {
            const counts = Effect.runSync(writer.statsOf(runId))
            if (Option.isSome(counts)) checkCounts(counts.value, `${where}, ${runId}`)
          }
          return stats
        }
        const watching = yield* Effect.fork(
          Stream.runForEach(writer.changes, (stats) =>
            Effect.sync(() => {
              checkCounts(stats, "a watcher")
              look("beside the watcher")
            })
          )
        )

        const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
        let n = 0
        for (const { action, durable, of, turns } of actions) {
          const isRun = of === "a" || of === "b"
          const update = () => (isRun ? runs[of].module(`m${n++ % 3}-${n}`, "running", { durable }) : undefined)
          switch (action) {
            case "unsafe":
            case "update":
            case "durable": {
              const made = update()
              if (made === undefined) {
                const change = { key: of, set: { x: n++ } }
                const write = action === "durable" ? writer.updateDurable(change) : writer.update(change)
                fibers.push(yield* Effect.fork(Effect.exit(write)))
              } else if (action === "unsafe") {
                let isAccepted = false
                writer.unsafeUpdate(made, {
                  accepted: () => {
                    isAccepted = true
                    accepted++
                    assert.isAtLeast(look("accepted").depth, 1)
                  },
                  settled: (exit) => {
                    if (Exit.isSuccess(exit)) written++
                    else if (isAccepted) refused++
                    const { failed, processed } = look("settled")
                    assert.isAtLeast(processed, written)
                    assert.isAtLeast(failed, refused)
                  }
                })
              } else {
                fibers.push(
                  yield* Effect.fork(
                    Effect.exit(action === "durable" ? writer.updateDurable(made) : writer.update(made))
                  )
                )
              }
              break
            }
            case "flush":
              fibers.push(yield* Effect.fork(writer.flush))
              break
            case "withdraw": {
              const waiting = fibers.find((fiber) => fiber.unsafePoll() === null)
              if (waiting !== undefined) yield* Effect.fork(Fiber.interrupt(waiting))
              break
            }
            case "fail":
              failing.add(of)
              break
            case "lose":
              if (isRun)
                yield* store.claim({ runId: RunId.make(of), owner: "x", now: 9, expiredBefore: 9, reopen: false })
              break
            case "wait":
              yield* TestClock.adjust("10 millis")
          }
          look("in between")
          yield* Effect.replicateEffect(Effect.yieldNow(), turns)
          look("later")
        }
        const ended = yield* Effect.fork(ending === "kill" ? Effect.zipRight(kill, writer.close) : writer.close)
        while (Option.isNone(yield* Fiber.poll(ended))) yield* TestClock.adjust("1 second")
        yield* Fiber.join(watching)
        yield* Fiber.awaitAll(fibers)
        const { depth, failed, inFlight, processed, queued, waiting } = look("at the end")
        assert.deepStrictEqual([depth, inFlight, waiting], [0, 0, 0])
        assert.strictEqual(queued, processed + failed)
        assert.isAtLeast(queued, accepted)
      }).pipe(Effect.scoped, Effect.provide(ControlledStore.layer)),
    { fastCheck: { numRuns } }
  )

  it.scoped("oldestAge is that of the first update that is not settled", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const writer = yield* writerOf({ interval: "1 second", capacity: 2 })
      const a = yield* openRun("a")
      const age = Effect.map(pick(writer, "oldestAge"), ([age]) => age)
      assert.strictEqual(yield* age, 0)
      yield* writer.update(a.module("m", "running"))
      yield* TestClock.adjust("300 millis")
      yield* writer.update({ key: "k", set: { x: 1 } })
      assert.strictEqual(yield* age, 300)
      const gate = yield* Effect.makeLatch(false)
      control.commit = (_, commit) => gate.whenOpen(commit)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* pick(writer, "oldestAge", "inFlight"), [1300, 2])
      yield* writer.update({ key: "k", set: { x: 2 } })
      yield* writer.update({ key: "k", set: { x: 3 } })
      // this one waits for room
      yield* Effect.fork(writer.update({ key: "k", set: { x: 4 } }))
      yield* TestClock.adjust("200 millis")
      yield* gate.open
      yield* quiet
      assert.deepStrictEqual(yield* pick(writer, "oldestAge", "queued", "processed"), [0, 5, 4])
      yield* TestClock.adjust("700 millis")
      assert.strictEqual(yield* age, 700)
      yield* writer.flush
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* age, 0)
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("oldestAge is that of what is being dropped, too", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const burial = yield* Effect.makeLatch(false)
      control.commit = () => Effect.fail(ControlledStore.broken("full"))
      control.bury = (bury) => burial.whenOpen(bury)
      const writer = yield* writerOf({ batchSize: 1 })
      const a = yield* openRun("a")
      const { offer } = observer(writer)
      const fates = [offer(a.module("m", "running")), offer(a.module("n", "running"))]
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(
        yield* pick(writer, "queued", "failed", "depth", "inFlight", "oldestAge"),
        [2, 0, 1, 1, 2000],
        "they fail when their letter is kept"
      )
      yield* burial.open
      yield* writer.flush
      assert.deepStrictEqual(fates.map(resultOf), ["WriteFailed", "WriteFailed"])
      assert.deepStrictEqual(yield* pick(writer, "failed", "depth", "inFlight", "oldestAge"), [2, 0, 0, 0])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("counts batches, what they coalesce, and those that were tried again", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const writer = yield* writerOf({ retry: Schedule.recurs(2) })
      const a = yield* openRun("a")
      const counts = pick(writer, "batches", "retries", "processed", "coalesced")
      for (const status of ["scheduled", "running", "completed"] as const) yield* writer.update(a.module("m", status))
      yield* writer.updateDurable({ key: "k", set: { x: 1 } })
      assert.deepStrictEqual(yield* counts, [1, 0, 4, 2])
      let busy = 2
      control.commit = (_, commit) =>
        Effect.suspend(() => (busy-- > 0 ? Effect.fail(ControlledStore.broken("busy")) : commit))
      yield* writer.updateDurable({ key: "k", set: { x: 2 } })
      assert.deepStrictEqual(yield* counts, [2, 2, 5, 2])
      // it is tried twice again, and then given up
      busy = Infinity
      yield* Effect.flip(writer.updateDurable({ key: "k", set: { x: 3 } }))
      assert.deepStrictEqual(yield* counts, [2, 4, 5, 2])
      assert.lengthOf(control.tried, 1 + 3 + 3)
      // a permanent error is not tried again
      control.commit = () => Effect.fail(ControlledStore.broken("full"))
      yield* Effect.flip(writer.updateDurable({ key: "k", set: { x: 4 } }))
      assert.deepStrictEqual(yield* counts, [2, 4, 5, 2])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("counts what waits for room, and not what was withdrawn or refused at the door", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      control.commit = (_, commit) => gate.whenOpen(commit)
      const writer = yield* writerOf({ capacity: 1 })
      const waiting = yield* Effect.forEach(Array.range(1, 5), (x) =>
        Effect.zipLeft(Effect.fork(writer.update({ key: "k", set: { x }, durability: "committed" })), quiet)
      )
      const counts = pick(writer, "queued", "depth", "inFlight", "waiting", "failed")
      assert.deepStrictEqual(yield* counts, [2, 1, 1, 3, 0])
      yield* Fiber.interrupt(waiting[3]!)
      assert.deepStrictEqual(yield* counts, [2, 1, 1, 2, 0])
      yield* Effect.flip(writer.update({ key: "", set: { x: 1 } }))
      assert.deepStrictEqual(yield* counts, [2, 1, 1, 2, 0])
      yield* gate.open
      yield* writer.flush
      assert.deepStrictEqual(yield* counts, [4, 0, 0, 0, 0])
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})

describe("changes", () => {
  it.scoped("begins with the present, and has every change for who keeps up", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      control.commit = (_, commit) => gate.whenOpen(commit)
      const writer = yield* writerOf({ capacity: 2 })
      yield* writer.update({ key: "k", set: { x: 1 } })
      const { seen } = yield* watch(writer)
      const news = Effect.zipRight(quiet, takeAll(seen))
      assert.deepStrictEqual(yield* news, [yield* writer.stats])
      assert.deepStrictEqual(yield* news, [])
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* news).at(-1)?.inFlight, 1)
      const updates = yield* Effect.fork(
        Effect.forEach([2, 3, 4, 5], (x) => writer.update({ key: "k", set: { x } }), { concurrency: "unbounded" })
      )
      assert.strictEqual((yield* news).at(-1)?.waiting, 2, "also that updates wait for room")
      yield* gate.open
      yield* Fiber.join(updates)
      yield* writer.flush
      const last = (yield* news).at(-1)
      assert.deepStrictEqual(last, yield* writer.stats)
      assert.strictEqual(last?.processed, 5)
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("gives the latest to a consumer that is slow, and holds up nobody", () =>
    Effect.gen(function* () {
      const { close, writer } = yield* closable()
      const seen: Array<number> = []
      const turn = yield* Effect.makeSemaphore(0)
      const slow = yield* Effect.fork(
        Stream.runForEach(writer.changes, ({ processed }) =>
          Effect.zipRight(
            Effect.sync(() => seen.push(processed)),
            turn.take(1)
          )
        )
      )
      yield* quiet
      for (let x = 0; x < 500; x++) yield* writer.updateDurable({ key: "k", set: { x } })
      yield* turn.release(1)
      yield* quiet
      assert.deepStrictEqual(seen, [0, 500])
      yield* close
      yield* turn.release(100)
      yield* Fiber.join(slow)
      assert.isAtMost(seen.length, 4)
      assert.strictEqual(seen.at(-1), 500)
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  const ends = {
    closed: Effect.map(closable({ close: "1 second" }), ({ writer }) => ({ writer, end: Effect.asVoid(writer.close) })),
    killed: Effect.map(killable(), ({ kill, writer }) => ({ writer, end: Effect.asVoid(kill) }))
  }
  for (const [how, make] of Object.entries(ends)) {
    it.scoped(`ends with a writer that is ${how}, after its last stats, for those who come later too`, () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        control.commit = () => Effect.never
        const { end, writer } = yield* make
        yield* writer.update({ key: "k", set: { x: 1 } })
        const { fiber, seen } = yield* watch(writer)
        yield* quiet
        const ending = yield* Effect.fork(end)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.joinAll([ending, fiber])
        const stats = yield* writer.stats
        assert.deepStrictEqual([stats.queued, stats.failed, stats.depth, stats.inFlight], [1, 1, 0, 0])
        assert.deepStrictEqual((yield* takeAll(seen)).at(-1), stats)
        assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(writer.changes)), [stats])
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  }
})

describe("statsOf", () => {
  it.scoped("is of the present driver, and gone once the run has ended or was let go of", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(true)
      control.commit = (_, commit) => gate.whenOpen(commit)
      const writer = yield* writerOf()
      const [a, b] = [yield* openRun("a"), yield* openRun("b")]
      assert.deepStrictEqual(yield* writer.statsOf(a.runId), Option.none())
      yield* writer.updateDurable(a.module("m", "running"))
      yield* gate.close
      yield* writer.update(a.module("m", "completed", { durable: true }))
      yield* writer.update(b.module("m", "running"))
      yield* quiet
      yield* writer.update(a.module("n", "running"))
      const counts = { queued: 3, processed: 1, failed: 0, depth: 1, inFlight: 1, coalesced: 0 }
      assert.deepStrictEqual(yield* writer.statsOf(a.runId), Option.some(counts))
      yield* gate.open
      yield* writer.updateDurable(a.run("completed"))
      assert.deepStrictEqual(yield* writer.statsOf(a.runId), Option.none())
      // somebody else's claim is nothing to this driver
      yield* writer.release({ runId: b.runId, epoch: 0 })
      assert.isTrue(Option.isSome(yield* writer.statsOf(b.runId)))
      yield* writer.release(b.claim)
      assert.deepStrictEqual(yield* writer.statsOf(b.runId), Option.none())
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("is there again for a run that was idle while many others were written", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf({ cache: 2 })
      const a = yield* openRun("a")
      yield* writer.updateDurable(a.module("m", "running"))
      for (const name of ["b", "c", "d"]) yield* writer.updateDurable((yield* openRun(name)).module("m", "running"))
      assert.deepStrictEqual(yield* writer.statsOf(a.runId), Option.none())
      yield* writer.update(a.module("n", "running"))
      const counts = { queued: 2, processed: 1, failed: 0, depth: 1, inFlight: 0, coalesced: 0 }
      assert.deepStrictEqual(yield* writer.statsOf(a.runId), Option.some(counts))
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})
