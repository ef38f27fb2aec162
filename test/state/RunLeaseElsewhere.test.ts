/** The right to drive runs that is kept in another store than the runs. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Option, Schema, Scope, TestClock } from "effect"
import { Dag, Engine, Heddle, LeaseStore, Module, RunId, RunLease, RunStore } from "heddle"
import * as ControlledStore from "./ControlledStore.js"
import * as Leases from "./Leases.js"

const stores = Layer.merge(ControlledStore.layer, Leases.layer)

/** As of a process of its own; with what ends it, and then nothing is let go of. */
const process = (owner: string, options: Partial<RunLease.Options> = {}) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const context = yield* Layer.buildWithScope(Layer.fresh(RunLease.layerLeased({ owner, ...options })), scope)
    return { lease: Context.get(context, RunLease.RunLease), die: Scope.close(scope, Exit.void) }
  })

const { runId } = ControlledStore.newRun("a")

const opened = (lease: typeof RunLease.RunLease.Service, name = "a") =>
  Effect.map(lease.open(ControlledStore.newRun(name)), (opened) => {
    assert(opened._tag === "Created")
    return opened.held
  })

const claimed = (lease: typeof RunLease.RunLease.Service, options?: Parameters<typeof lease.claim>[1]) =>
  Effect.map(lease.claim(runId, options), (claim) => {
    assert(claim._tag === "Claimed")
    return claim.held
  })

const row = Effect.gen(function* () {
  return Option.getOrThrow(yield* (yield* RunStore.RunStore).run(runId))
})
const leaseOf = (name: string) => Effect.flatMap(LeaseStore.LeaseStore, (store) => store.get(`run/${name}`))
const remaining = Effect.map(
  leaseOf("a"),
  Option.map(({ remaining }) => remaining)
)

/** Writes that a module has completed; what was refused. */
const write = (epoch: number, seq: number) =>
  Effect.flatMap(RunStore.RunStore, (store) =>
    store.commit({
      runs: [
        {
          runId,
          epoch,
          modules: [],
          items: [],
          shared: [],
          transitions: [{ _tag: "ModuleTransition", seq, at: 1, module: "m", status: "completed", attempt: 1 }],
          status: undefined,
          wakeAt: null
        }
      ],
      states: [],
      synced: false
    })
  )

describe("RunLease.layerLeased", () => {
  it.scoped("holds a run by the lease of its id, whose token is the epoch of the run", () =>
    Effect.gen(function* () {
      const { lease } = yield* process("one")
      const held = yield* opened(lease)
      const kept = Option.getOrThrow(yield* leaseOf("a"))
      assert.match(kept.holder, /^one\//)
      assert.deepStrictEqual([held.claim.epoch, kept.token, kept.remaining], [1, 1, 5000])
      assert.deepStrictEqual(held.run, yield* row)
      assert.deepInclude(yield* lease.open(ControlledStore.newRun("a")), { _tag: "Exists" })
      assert.deepStrictEqual(yield* leaseOf("a"), Option.some(kept))
    }).pipe(Effect.provide(stores))
  )

  it.scoped("a heartbeat renews the lease and confirms the run", () =>
    Effect.gen(function* () {
      const { lease } = yield* process("one")
      yield* opened(lease)
      yield* TestClock.adjust("60500 millis")
      assert.deepStrictEqual(yield* remaining, Option.some(4500))
      assert.strictEqual((yield* row).heartbeatAt, 60_000)
      assert.deepStrictEqual(yield* lease.due(["f"], 9), { runs: [], nextAt: null })
    }).pipe(Effect.provide(stores))
  )

  it.scoped("a run can be taken over when its lease has expired, and the stale driver can write nothing", () =>
    Effect.gen(function* () {
      const first = yield* process("one")
      const held = yield* opened(first.lease)
      yield* TestClock.adjust("2500 millis")
      yield* first.die
      const second = yield* process("two")
      const error = yield* Effect.flip(second.lease.claim(runId))
      assert(error._tag === "RunHeld")
      assert.deepStrictEqual([error.owner, error.retryAfter], ["one", 4501])
      yield* TestClock.adjust(error.retryAfter)
      assert.deepStrictEqual(yield* write(held.claim.epoch, 1), [])
      const taken = yield* claimed(second.lease)
      assert.isAbove(taken.claim.epoch, held.claim.epoch)
      assert.strictEqual(taken.claim.epoch, Option.getOrThrow(yield* leaseOf("a")).token)
      assert.deepInclude(taken.run, { recoveries: 1, owner: "two" })
      assert.lengthOf(yield* write(held.claim.epoch, 2), 1)
      assert.strictEqual((yield* row).seq, 1)
      assert.deepStrictEqual(yield* write(taken.claim.epoch, 2), [])
    }).pipe(Effect.provide(stores))
  )

  it.scoped("the lease says who drives, whatever the heartbeat in the store of runs is", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const { lease } = yield* process("one")
      yield* opened(lease)
      // not confirmed, so due for all; the lease is renewed all the same
      control.heartbeat = () => Effect.fail(ControlledStore.broken("busy"))
      const lost: Array<string> = []
      yield* lease.watch({ runId, epoch: 1 }, () => lost.push("a"))
      yield* TestClock.adjust("1 minute")
      const second = yield* process("two")
      const { runs } = yield* second.lease.due(["f"], 9)
      assert.lengthOf(runs, 1)
      assert.strictEqual((yield* Effect.flip(second.lease.claim(runId)))._tag, "RunHeld")
      assert.deepStrictEqual(lost, [])
    }).pipe(Effect.provide(stores))
  )

  it.scoped("a driver is told when the lease is not its own any more, or the run is not", () =>
    Effect.gen(function* () {
      const leases = yield* LeaseStore.LeaseStore
      const runs = yield* RunStore.RunStore
      const { lease } = yield* process("one")
      const lost: Array<string> = []
      for (const name of ["a", "b", "c"]) {
        const { claim } = yield* opened(lease, name)
        yield* lease.watch(claim, () => lost.push(name))
      }
      const { holder, resource, token } = Option.getOrThrow(yield* leaseOf("a"))
      yield* leases.release({ resource, holder, token })
      const id = RunId.make("b")
      yield* runs.claim({ runId: id, owner: "other", now: 0, expiredBefore: Infinity, reopen: false })
      assert.deepStrictEqual(lost, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(lost, ["a", "b"])
    }).pipe(Effect.provide(stores))
  )

  for (const [how, renew] of [
    ["fails", () => () => Leases.broken("unavailable")],
    ["does not answer", () => () => Effect.never]
  ] as const satisfies ReadonlyArray<readonly [string, Leases.Control["renew"]]>) {
    it.scoped(`a driver is told before its lease ends when the store of leases ${how}`, () =>
      Effect.gen(function* () {
        const control = yield* Leases.Controlled
        const { lease } = yield* process("one", { expiry: "10 seconds" })
        const { claim } = yield* opened(lease)
        const lost: Array<number> = []
        yield* Effect.flatMap(Effect.clock, (clock) =>
          lease.watch(claim, () => lost.push(clock.unsafeCurrentTimeMillis()))
        )
        yield* TestClock.adjust("3 seconds")
        control.renew = renew
        yield* TestClock.adjust("10 seconds")
        assert.isAbove(lost.length, 0)
        // confirmed at 3 s for the last time
        assert.isAtLeast(lost[0]!, 9000)
        assert.isBelow(lost[0]!, 13_000)
      }).pipe(Effect.provide(stores))
    )
  }

  it.scoped("release frees the run and its lease at once, and leaves no row of it", () =>
    Effect.gen(function* () {
      const first = yield* process("one")
      const second = yield* process("two")
      let held = yield* opened(first.lease)
      for (const { lease } of [second, first, second]) {
        yield* (lease === second.lease ? first : second).lease.release(held.claim)
        assert.deepStrictEqual(yield* leaseOf("a"), Option.none())
        assert.deepInclude(yield* row, { owner: "", heartbeatAt: 0 })
        const { epoch } = held.claim
        held = yield* claimed(lease)
        // forgotten: it counts from the epoch of the run
        assert.strictEqual(held.claim.epoch, epoch + 1)
        assert.deepInclude(held.run, { recoveries: 0 })
      }
    }).pipe(Effect.provide(stores))
  )

  it.scoped("an interrupted open or claim lets go of both", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const { lease } = yield* process("one")
      for (const attempt of [Effect.asVoid(opened(lease)), Effect.asVoid(claimed(lease))]) {
        control.after = Effect.sleep("1 second")
        const fiber = yield* Effect.fork(attempt)
        yield* TestClock.adjust("500 millis")
        yield* Fiber.interruptFork(fiber)
        yield* TestClock.adjust("500 millis")
        assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
        assert.deepStrictEqual(yield* leaseOf("a"), Option.none())
        assert.strictEqual((yield* row).owner, "")
        control.after = undefined
      }
    }).pipe(Effect.provide(stores))
  )

  it.scoped("what is not claimed leaves no lease: ended, unknown and quarantined runs", () =>
    Effect.gen(function* () {
      const { die, lease } = yield* process("one")
      assert.deepStrictEqual(yield* lease.claim(runId), { _tag: "Gone" })
      yield* opened(lease)
      yield* die
      yield* TestClock.adjust("6 seconds")
      const second = yield* process("two")
      assert.strictEqual((yield* second.lease.claim(runId, { maxRecoveries: 0 }))._tag, "Quarantined")
      assert.deepStrictEqual(yield* leaseOf("a"), Option.none())
      yield* second.lease.release((yield* claimed(second.lease)).claim)
      assert.deepStrictEqual(yield* leaseOf("a"), Option.none())
    }).pipe(Effect.provide(stores))
  )

  it.scoped("of many that open, and then claim, at once one has the run", () =>
    Effect.gen(function* () {
      const processes = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => process(`p${n}`))
      const opening = yield* Effect.fork(
        Effect.forEach(processes, ({ lease }) => lease.open(ControlledStore.newRun("a")), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      const answers = yield* Fiber.join(opening)
      const created = answers.flatMap((answer) => (answer._tag === "Created" ? [answer.held] : []))
      assert.lengthOf(created, 1)
      for (const { lease } of processes) yield* lease.release(created[0]!.claim)
      const claims = yield* Effect.forEach(processes, ({ lease }) => Effect.either(lease.claim(runId)), {
        concurrency: "unbounded"
      })
      assert.lengthOf(
        claims.filter(({ _tag }) => _tag === "Right"),
        1
      )
    }).pipe(Effect.provide(stores))
  )

  it.scoped("an open behind one that has vanished between the lease and the run waits for the lease to end", () =>
    Effect.gen(function* () {
      const leases = yield* LeaseStore.LeaseStore
      yield* leases.acquire({ resource: "run/a", holder: "vanished", ttl: 5000 })
      const { lease } = yield* process("one")
      const fiber = yield* Effect.fork(opened(lease))
      yield* TestClock.adjust("4900 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("200 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).claim.epoch, 2)
    }).pipe(Effect.provide(stores))
  )
})

describe("Heddle.layerLeased", () => {
  it.scoped("drives runs to their end, and leaves no lease", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const step = Module.make("step", {
        output: Schema.Int,
        run: () =>
          Effect.flatMap(Effect.orDie(leaseOf("r")), (lease) =>
            Effect.sync(() => seen.push(Option.getOrThrow(lease).token))
          )
      })
      const dag = Dag.make("leased", { outputs: { step } })
      const runId = RunId.make("r")
      const outputs = yield* Engine.execute(dag, {}, { runId }).pipe(Effect.provide(Heddle.layerLeased()))
      assert.deepStrictEqual(outputs, { step: 1 })
      assert.deepStrictEqual(seen, [1])
      assert.deepStrictEqual(yield* leaseOf("r"), Option.none())
    }).pipe(Effect.provide(stores))
  )
})
