import { assert, describe, it } from "@effect/vitest"
import { Chunk, Context, Effect, Exit, Fiber, Layer, Logger, Option, Scope, TestClock } from "effect"
import { RunLease, RunStore } from "heddle"
import type { Transition } from "heddle"
import * as ControlledStore from "./ControlledStore.js"

/** Until nothing happens any more; no time passes. */
const quiet = TestClock.adjust(0)

/** A lease over the test's store, as of a process of its own; it ends with the test. */
const leaseOf = (options: Partial<RunLease.Options> = {}) =>
  Effect.map(Layer.build(RunLease.layer(options)), Context.get(RunLease.RunLease))

/** The same, with what ends it: no heartbeat after that, and nothing is let go of. */
const dying = (options: Partial<RunLease.Options> = {}) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(RunLease.layer(options), scope)
    return { lease: Context.get(context, RunLease.RunLease), die: Scope.close(scope, Exit.void) }
  })

const run = ControlledStore.newRun("a")
const { runId } = run

const row = Effect.gen(function* () {
  return Option.getOrThrow(yield* (yield* RunStore.RunStore).run(runId))
})

const opened = (lease: typeof RunLease.RunLease.Service, name = "a") =>
  Effect.map(lease.open(ControlledStore.newRun(name)), (opened) => {
    assert(opened._tag === "Created")
    return opened.held
  })

const claimed = (lease: typeof RunLease.RunLease.Service) =>
  Effect.map(lease.claim(runId), (claim) => {
    assert(claim._tag === "Claimed")
    return claim.held
  })

/** The first driver's run takes a status. */
const become = (status: Transition.RunStatus, fields: { readonly name?: string; readonly wakeAt?: number } = {}) =>
  Effect.gen(function* () {
    const store = yield* RunStore.RunStore
    const transition = { _tag: "RunTransition", seq: 1, at: 5, status, epoch: 1 } as const
    const changes = { epoch: 1, modules: [], items: [], shared: [], transitions: [transition], status }
    const { runId } = ControlledStore.newRun(fields.name ?? "a")
    assert.deepStrictEqual(
      yield* store.commit({ runs: [{ runId, ...changes, wakeAt: fields.wakeAt ?? null }], states: [], synced: false }),
      []
    )
  })

const finish = become("completed")

describe("RunLease", () => {
  describe("open", () => {
    it.scoped("creates a run and holds it", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1000)
        const held = yield* opened(yield* leaseOf({ owner: "one" }))
        assert.deepStrictEqual(held.claim, { runId, epoch: 1 })
        assert.deepStrictEqual(held.run, yield* row)
        const { heartbeatAt, owner, status } = held.run
        assert.deepStrictEqual([owner, status, heartbeatAt], ["one", "running", 1000])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("creates a run that begins with what another one has done", () =>
      Effect.gen(function* () {
        const store = yield* RunStore.RunStore
        const lease = yield* leaseOf({ owner: "one" })
        const transitions = ["scheduled", "running", "completed"] as const
        const module = {
          module: "m",
          status: "completed",
          attempt: 1,
          scheduledAt: 1,
          startedAt: 2,
          finishedAt: 3,
          failure: null,
          because: null,
          until: null,
          items: null
        } as const
        const opened = yield* lease.open({
          ...run,
          seed: {
            modules: [{ ...module, output: "7" }],
            items: [],
            shared: [],
            transitions: transitions.map((status, i) => ({
              _tag: "ModuleTransition",
              seq: i + 1,
              at: i,
              module: "m",
              status,
              attempt: 1
            }))
          }
        })
        assert(opened._tag === "Created")
        assert.deepStrictEqual(opened.held.run, yield* row)
        assert.strictEqual(opened.held.run.seq, 3)
        assert.deepStrictEqual(Option.getOrThrow(yield* store.get(runId)).modules, [module])
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* row).heartbeatAt, 1000)
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("gives the run that has the id, and does not hold it", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const { die, lease } = yield* dying({ owner: "one" })
        yield* opened(lease)
        yield* die
        const second = yield* leaseOf({ owner: "two" })
        assert.deepStrictEqual(yield* second.open({ ...run, dag: "other" }), { _tag: "Exists", run: yield* row })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(control.beats, [])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("names the process at random when it has no name", () =>
      Effect.gen(function* () {
        const held = yield* opened(yield* leaseOf())
        const other = yield* opened(yield* leaseOf({ owner: "" }), "b")
        for (const { owner } of [held.run, other.run]) assert.match(owner, /^heddle-\w{4,}$/)
        assert.notStrictEqual(held.run.owner, other.run.owner)
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    for (const way of ["open", "claim"] as const) {
      it.scoped(`lets go again when the caller of ${way} is interrupted meanwhile`, () =>
        Effect.gen(function* () {
          const control = yield* ControlledStore.ControlledStore
          const lease = yield* leaseOf({ owner: "one" })
          if (way === "claim") yield* Effect.flatMap(opened(lease), ({ claim }) => lease.release(claim))
          control.after = Effect.sleep("1 second")
          const caller = yield* Effect.fork(way === "open" ? opened(lease) : claimed(lease))
          yield* quiet
          const interrupted = yield* Effect.fork(Fiber.interrupt(caller))
          yield* TestClock.adjust("1 second")
          assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupted)))
          const { epoch, owner } = yield* row
          assert.deepStrictEqual([epoch, owner], [way === "open" ? 1 : 2, ""])
          const beats = control.beats.length
          yield* TestClock.adjust("10 seconds")
          assert.lengthOf(control.beats, beats)
        }).pipe(Effect.provide(ControlledStore.layer))
      )
    }
  })

  describe("heartbeats", () => {
    it.scoped("keep a run for as long as it is driven", () =>
      Effect.gen(function* () {
        const first = yield* leaseOf({ owner: "one" })
        yield* opened(first)
        const second = yield* leaseOf({ owner: "two" })
        for (let minute = 0; minute < 3; minute++) {
          yield* TestClock.adjust("1 minute")
          const error = yield* Effect.flip(second.claim(runId))
          assert(error._tag === "RunHeld")
          assert.deepStrictEqual([error.runId, error.owner], [runId, "one"])
        }
        const { beats } = yield* ControlledStore.ControlledStore
        assert.deepStrictEqual(
          beats.map(({ at }) => at),
          beats.map((_, i) => (i + 1) * 1000)
        )
        assert.lengthOf(beats, 180)
        assert.strictEqual((yield* row).epoch, 1)
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("are one for all runs, and leave out those that were let go of", () =>
      Effect.gen(function* () {
        const { beats } = yield* ControlledStore.ControlledStore
        const lease = yield* leaseOf()
        const a = yield* opened(lease, "a")
        yield* TestClock.adjust("500 millis")
        const b = yield* opened(lease, "b")
        yield* TestClock.adjust("500 millis")
        yield* lease.release(a.claim)
        yield* TestClock.adjust("1 second")
        yield* lease.release(b.claim)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(
          beats.map(({ at, runs }) => ({ at, runs: [...runs].sort() })),
          [
            { at: 1000, runs: ["a", "b"] },
            { at: 2000, runs: ["b"] }
          ]
        )
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("take no timer while nothing is held", () =>
      Effect.gen(function* () {
        const { beats } = yield* ControlledStore.ControlledStore
        const timers = Effect.map(Effect.zipRight(quiet, TestClock.sleeps()), Chunk.size)
        const lease = yield* leaseOf()
        assert.strictEqual(yield* timers, 0)
        for (let i = 0; i < 3; i++) {
          const held = yield* opened(lease, `r${i}`)
          assert.strictEqual(yield* timers, 1)
          yield* TestClock.adjust("1 second")
          yield* lease.release(held.claim)
          // the one that was under way
          yield* TestClock.adjust("1 second")
          assert.strictEqual(yield* timers, 0)
          assert.lengthOf(beats, i + 1)
        }
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("of a run that is opened just when the last one has gone are not forgotten", () =>
      Effect.gen(function* () {
        const { beats } = yield* ControlledStore.ControlledStore
        // the heartbeat's fiber, which never waits, stops after each of its steps; the run is opened after any of them
        const lease = yield* Effect.withScheduler(leaseOf({ heartbeat: 0 }), ControlledStore.stepwise())
        const beatsOf = (name: string) => beats.some(({ runs }) => runs.includes(name))
        const soon = (name: string) =>
          Effect.iterate(0, {
            while: (times) => times < 500 && !beatsOf(name),
            body: (times) => Effect.as(Effect.yieldNow(), times + 1)
          })
        for (let steps = 0; steps < 80; steps++) {
          const first = yield* opened(lease, `first${steps}`)
          yield* soon(`first${steps}`)
          yield* lease.release(first.claim)
          yield* Effect.replicateEffect(Effect.yieldNow(), steps)
          const next = yield* opened(lease, `next${steps}`)
          yield* soon(`next${steps}`)
          assert.isTrue(beatsOf(`next${steps}`), `opened after ${steps} steps`)
          yield* lease.release(next.claim)
          yield* quiet
        }
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("that the store does not take are logged, and the next are made", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const lines: Array<string> = []
        const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${String(message)}`))
        const lease = yield* leaseOf({ owner: "one" }).pipe(Effect.provide(Logger.add(logger)))
        yield* opened(lease)
        control.heartbeat = () => Effect.fail(ControlledStore.broken("busy"))
        yield* TestClock.adjust("2 seconds")
        control.heartbeat = () => Effect.die("broken")
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* row).heartbeatAt, 0)
        assert.lengthOf(lines, 3)
        assert.isTrue(lines.every((line) => line.startsWith("WARN the heartbeat of this process's runs failed")))
        control.heartbeat = undefined
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* row).heartbeatAt, 4000)
        assert.lengthOf(lines, 3)
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("claim", () => {
    it.effect("takes over from a process that has died, with the next epoch, when its heartbeat has expired", () =>
      Effect.gen(function* () {
        const { die, lease } = yield* dying({ owner: "one" })
        yield* opened(lease)
        yield* TestClock.adjust("3500 millis")
        yield* die
        yield* Effect.gen(function* () {
          const second = yield* leaseOf({ owner: "two" })
          yield* TestClock.adjust("4 seconds")
          yield* Effect.flip(second.claim(runId))
          yield* TestClock.adjust("1 second")
          const held = yield* claimed(second)
          assert.deepStrictEqual(held.claim, { runId, epoch: 2 })
          assert.deepStrictEqual(held.run, yield* row)
          assert.deepStrictEqual([held.run.owner, held.run.heartbeatAt], ["two", 8500])
          // and keeps it
          yield* TestClock.adjust("1 minute")
          const third = yield* leaseOf({ owner: "three" })
          assert.strictEqual((yield* Effect.flip(third.claim(runId)))._tag, "RunHeld")
        }).pipe(Effect.scoped)
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    for (const [heartbeat, expiry, died] of [
      [1000, 5000, 0],
      [1000, 5000, 2300],
      [700, 1500, 999],
      [1000, 0, 500]
    ] as const) {
      it.scoped(`is possible exactly at retryAfter (heartbeat ${heartbeat}, expiry ${expiry}, death at ${died})`, () =>
        Effect.gen(function* () {
          const { die, lease } = yield* dying({ owner: "one", heartbeat })
          yield* opened(lease)
          yield* TestClock.adjust(died)
          yield* die
          const second = yield* leaseOf({ owner: "two", expiry })
          const last = (yield* row).heartbeatAt
          yield* TestClock.setTime(last + Math.min(expiry, 300))
          const error = yield* Effect.flip(second.claim(runId))
          assert(error._tag === "RunHeld")
          assert.strictEqual(error.owner, "one")
          yield* TestClock.adjust(error.retryAfter - 1)
          const again = yield* Effect.flip(second.claim(runId))
          assert(again._tag === "RunHeld")
          assert.strictEqual(again.retryAfter, 1)
          yield* TestClock.adjust(1)
          assert.strictEqual((yield* claimed(second)).claim.epoch, 2)
        }).pipe(Effect.provide(ControlledStore.layer))
      )
    }

    it.scoped("is possible at once when the run was let go of", () =>
      Effect.gen(function* () {
        const first = yield* leaseOf({ owner: "one" })
        const held = yield* opened(first)
        yield* first.release(held.claim)
        const second = yield* leaseOf({ owner: "two" })
        const again = yield* claimed(second)
        assert.strictEqual(again.claim.epoch, 2)
        yield* second.release(again.claim)
        assert.strictEqual((yield* claimed(first)).claim.epoch, 3)
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("with maxRecoveries is of no run that has lost more drivers, until one without", () =>
      Effect.gen(function* () {
        for (let drivers = 0; drivers < 3; drivers++) {
          yield* Effect.gen(function* () {
            const lease = yield* leaseOf({ owner: `process ${drivers}` })
            if (drivers === 0) return yield* opened(lease)
            const claim = yield* lease.claim(runId, { maxRecoveries: 2 })
            assert(claim._tag === "Claimed")
            assert.deepInclude(claim.held.run, { recoveries: drivers, epoch: drivers + 1 })
            return claim.held
          }).pipe(Effect.scoped)
          yield* TestClock.adjust("10 seconds")
        }
        const lease = yield* leaseOf({ owner: "last" })
        for (let i = 0; i < 2; i++) {
          const claim = yield* lease.claim(runId, { maxRecoveries: 2 })
          assert.deepStrictEqual(claim, { _tag: "Quarantined", run: yield* row })
          assert.deepInclude(yield* row, { recoveries: 3, quarantined: true, epoch: 3, owner: "process 2" })
          assert.deepStrictEqual(yield* lease.due(["f"], 10), { runs: [], nextAt: null })
        }
        const { run } = yield* claimed(lease)
        assert.deepStrictEqual(run, yield* row)
        assert.deepInclude(run, { recoveries: 0, quarantined: false, epoch: 4, owner: "last" })
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("finds nothing to claim of a run that has ended or does not exist", () =>
      Effect.gen(function* () {
        const lease = yield* leaseOf()
        assert.deepStrictEqual(yield* lease.claim(runId), { _tag: "Gone" })
        yield* opened(lease)
        yield* finish
        assert.deepStrictEqual(yield* lease.claim(runId), { _tag: "Gone" })
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("takes a suspended run, which stays so, and keeps it", () =>
      Effect.gen(function* () {
        const first = yield* leaseOf({ owner: "one" })
        const held = yield* opened(first)
        yield* become("suspended", { wakeAt: 70 })
        yield* first.release(held.claim)
        const second = yield* leaseOf({ owner: "two" })
        const { run } = yield* claimed(second)
        assert.deepStrictEqual([run.status, run.wakeAt, run.owner], ["suspended", 70, "two"])
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* row).heartbeatAt, 60_000)
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    for (const status of ["failed", "cancelled", "timedOut", "completed", "stopped"] as const) {
      const resumable = status === "failed" || status === "cancelled" || status === "timedOut"
      it.scoped(`${resumable ? "reopens" : "does not reopen"} a run that is ${status}, when asked to`, () =>
        Effect.gen(function* () {
          const lease = yield* leaseOf({ owner: "one" })
          const { claim } = yield* opened(lease)
          yield* become(status)
          yield* lease.release(claim)
          yield* TestClock.adjust("3 seconds")
          assert.deepStrictEqual(yield* lease.claim(runId), { _tag: "Gone" })
          assert.deepStrictEqual(yield* lease.claim(runId, { reopen: false }), { _tag: "Gone" })
          const reopened = yield* lease.claim(runId, { reopen: true })
          if (!resumable) return assert.deepStrictEqual(reopened, { _tag: "Gone" })
          assert(reopened._tag === "Claimed")
          assert.deepStrictEqual(reopened.held.claim, { runId, epoch: 2 })
          assert.deepStrictEqual(reopened.held.run, yield* row)
          assert.deepStrictEqual([(yield* row).status, (yield* row).startedAt], ["running", 3000])
          yield* TestClock.adjust("1 second")
          assert.strictEqual((yield* row).heartbeatAt, 4000)
        }).pipe(Effect.provide(ControlledStore.layer))
      )
    }

    it.scoped("of many at once is given to one", () =>
      Effect.gen(function* () {
        const first = yield* leaseOf()
        yield* Effect.flatMap(opened(first), ({ claim }) => first.release(claim))
        const leases = yield* Effect.replicateEffect(leaseOf(), 10)
        const claims = yield* Effect.forEach(leases, (lease) => Effect.either(lease.claim(runId)), {
          concurrency: "unbounded"
        })
        assert.lengthOf(
          claims.filter(({ _tag }) => _tag === "Right"),
          1
        )
        assert.strictEqual((yield* row).epoch, 2)
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("due", () => {
    it.scoped("gives the runs that were cut off when their heartbeat has expired, and those that were let go of", () =>
      Effect.gen(function* () {
        const { die, lease } = yield* dying({ owner: "one" })
        for (const name of ["a", "b"]) yield* opened(lease, name)
        const second = yield* leaseOf({ owner: "two" })
        const due = Effect.map(second.due(["f", "other"], 9), ({ nextAt, runs }) => {
          assert.isNull(nextAt)
          return runs.map(({ runId }): string => runId)
        })
        const held = yield* opened(second, "c")
        yield* TestClock.adjust("2500 millis")
        yield* die
        yield* TestClock.adjust("4500 millis")
        assert.deepStrictEqual(yield* due, [])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* due, ["a", "b"])
        yield* second.release(held.claim)
        assert.deepStrictEqual(yield* due, ["a", "b", "c"])
        assert.deepStrictEqual((yield* second.due(["f"], 2)).runs.length, 2)
        assert.deepStrictEqual(yield* second.due(["other"], 2), { runs: [], nextAt: null })
        yield* claimed(second)
        assert.deepStrictEqual(yield* due, ["b", "c"])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("gives suspended runs at their time, and tells the next one", () =>
      Effect.gen(function* () {
        const lease = yield* leaseOf()
        for (const [name, wakeAt] of [
          ["a", 3000],
          ["b", 1000],
          ["c", undefined]
        ] as const) {
          const { claim } = yield* opened(lease, name)
          yield* become("suspended", { name, ...(wakeAt === undefined ? undefined : { wakeAt }) })
          yield* lease.release(claim)
        }
        const due = Effect.map(lease.due(["f"], 9), ({ nextAt, runs }) => [
          runs.map(({ runId }): string => runId),
          nextAt
        ])
        assert.deepStrictEqual(yield* due, [[], 1000])
        yield* TestClock.adjust(999)
        assert.deepStrictEqual(yield* due, [[], 1000])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* due, [["b"], 3000])
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(yield* due, [["b", "a"], null])
        yield* claimed(lease)
        assert.deepStrictEqual(yield* due, [["b"], null])
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("watch", () => {
    it.scoped("tells the first driver at its next heartbeat that the run was taken over", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const first = yield* leaseOf({ owner: "one" })
        const [a, b] = [yield* opened(first, "a"), yield* opened(first, "b")]
        const lost: Array<string> = []
        yield* first.watch(a.claim, () => lost.push("a"))
        yield* first.watch(b.claim, () => lost.push("b"))
        // too slow to confirm its runs in time
        control.heartbeat = () => Effect.fail(ControlledStore.broken("busy"))
        yield* TestClock.adjust("5500 millis")
        const second = yield* leaseOf({ owner: "two", heartbeat: "1 hour" })
        const held = yield* claimed(second)
        control.heartbeat = undefined
        yield* TestClock.adjust("499 millis")
        assert.deepStrictEqual(lost, [])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(lost, ["a"])
        // what the first does now changes nothing
        yield* first.release(a.claim)
        assert.deepStrictEqual(yield* row, held.run)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(lost, ["a"])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("says nothing of runs that are driven, have ended or were let go of", () =>
      Effect.gen(function* () {
        const lease = yield* leaseOf()
        const lost: Array<string> = []
        const [a, b, c] = [yield* opened(lease, "a"), yield* opened(lease, "b"), yield* opened(lease, "c")]
        for (const { claim } of [a, b, c]) yield* lease.watch(claim, () => lost.push(claim.runId))
        yield* finish
        yield* lease.release(b.claim)
        yield* (yield* RunStore.RunStore).claim({
          runId: b.claim.runId,
          owner: "other",
          now: 0,
          expiredBefore: 0,
          reopen: false
        })
        yield* lease.watch(b.claim, () => lost.push("b, which nobody holds"))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(lost, [])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("tells a driver whom its own process has taken the run from, and not the next one", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const lease = yield* leaseOf()
        const lost: Array<number> = []
        const first = yield* opened(lease)
        yield* lease.watch(first.claim, () => lost.push(first.claim.epoch))
        control.heartbeat = () => Effect.fail(ControlledStore.broken("busy"))
        yield* TestClock.adjust("5500 millis")
        const second = yield* claimed(lease)
        yield* lease.watch(second.claim, () => lost.push(second.claim.epoch))
        control.heartbeat = undefined
        yield* TestClock.adjust("1 second")
        yield* lease.release(first.claim)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(lost, [1])
        assert.strictEqual((yield* row).heartbeatAt, 16_000)
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("release", () => {
    const faults: Record<string, ControlledStore.Control["release"]> = {
      fails: () => Effect.fail(ControlledStore.broken("busy")),
      dies: () => Effect.die("broken"),
      throws: () => {
        throw new Error("broken")
      }
    }
    for (const [title, fault] of Object.entries(faults)) {
      it.scoped(`on which the store ${title} is logged; then the heartbeat has to expire`, () =>
        Effect.gen(function* () {
          const control = yield* ControlledStore.ControlledStore
          const lines: Array<string> = []
          const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${String(message)}`))
          const first = yield* leaseOf({ owner: "one" })
          const held = yield* opened(first)
          control.release = fault
          yield* first.release(held.claim).pipe(Effect.provide(Logger.add(logger)))
          assert.lengthOf(lines, 1)
          assert.include(lines[0], 'WARN run "a" could not be let go of: its heartbeat has to expire')
          const second = yield* leaseOf({ owner: "two" })
          yield* TestClock.adjust("5 seconds")
          assert.strictEqual((yield* Effect.flip(second.claim(runId)))._tag, "RunHeld")
          yield* TestClock.adjust(1)
          assert.strictEqual((yield* claimed(second)).claim.epoch, 2)
        }).pipe(Effect.provide(ControlledStore.layer))
      )
    }

    it.scoped("counts where the run could not be driven, and otherwise not", () =>
      Effect.gen(function* () {
        const lease = yield* leaseOf()
        let held = yield* opened(lease)
        for (const [failed, recoveries] of [
          [undefined, 0],
          [true, 1],
          [false, 1],
          [true, 2]
        ] as const) {
          yield* lease.release(held.claim, { failed })
          assert.deepInclude(yield* row, { recoveries, owner: "", quarantined: false })
          if (recoveries < 2) held = yield* claimed(lease)
        }
        assert.strictEqual((yield* lease.claim(runId, { maxRecoveries: 1 }))._tag, "Quarantined")
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("of a run that has ended changes nothing of it", () =>
      Effect.gen(function* () {
        const lease = yield* leaseOf({ owner: "one" })
        const held = yield* opened(lease)
        yield* finish
        const before = yield* row
        yield* lease.release(held.claim)
        assert.deepStrictEqual(yield* row, before)
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  it.scoped("forget asks nothing of the store: the heartbeat expires", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const first = yield* leaseOf({ owner: "one" })
      const held = yield* opened(first)
      yield* TestClock.adjust("2500 millis")
      control.release = () => Effect.dieMessage("not asked")
      yield* first.forget(held.claim)
      const second = yield* leaseOf({ owner: "two" })
      yield* TestClock.adjust("4500 millis")
      assert.strictEqual((yield* Effect.flip(second.claim(runId)))._tag, "RunHeld")
      yield* TestClock.adjust(1)
      const next = yield* claimed(second)
      // the former claim is not that of the present driver
      yield* second.forget(held.claim)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* row).heartbeatAt, 17_001)
      assert.strictEqual((yield* row).epoch, next.claim.epoch)
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})
