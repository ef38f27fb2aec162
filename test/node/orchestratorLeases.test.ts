/** Executions of an orchestrator that several processes are asked for, each of which drives one only under its lease. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, FastCheck as fc, Fiber, Layer, Option, Schema } from "effect"
import { Dag, Engine, Heddle, Lease, LeaseStore, Module, RunError, RunId, Timeline } from "heddle"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"
import * as LeaseStoreMemory from "heddle/store/LeaseStoreMemory"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import { numRuns } from "../numRuns.js"
import { Bad, historyOf } from "../run/Harness.js"
import * as VirtualClock from "../run/VirtualClock.js"

const order = RunId.make("order")

/** Of each lease, in milliseconds; a heartbeat is a fifth of it. */
const ttl = 5000
/** How long a step works. */
const worktime = 3000

/** What works: in which process, and on what. */
class Desk extends Context.Tag("test/Desk")<
  Desk,
  { readonly name: string; readonly work: (cents: number) => Effect.Effect<string, Bad> }
>() {}

const cents = Module.input("cents", Schema.Int)
const quote = Module.make("quote", { needs: { cents }, output: Schema.Int, run: ({ cents }) => Effect.succeed(cents) })
const hold = Module.make("hold", {
  needs: { quote },
  output: Schema.String,
  error: Bad,
  run: ({ quote }) => Effect.flatMap(Desk, ({ work }) => work(quote))
})
const note = Module.make("note", {
  needs: { hold },
  output: Schema.String,
  run: ({ hold }) => Effect.succeed(`held by ${hold}`)
})

class Fulfil extends OrchestratorNode.Service<Fulfil>()("test/FulfilLeased", {
  dag: Dag.make("fulfil", { outputs: { note } })
}) {}

const stores = Layer.provideMerge(
  Timeline.layer,
  Layer.suspend(() => Layer.merge(RunStoreMemory.layer(), LeaseStoreMemory.layer()))
)

const leaseOf = (runId: RunId) => Effect.flatMap(LeaseStore.LeaseStore, (store) => store.get(`run/${runId}`))
const ownerOf = (runId: RunId) =>
  Effect.map(leaseOf(runId), Option.match({ onNone: () => undefined, onSome: ({ holder }) => holder.split("/")[0] }))

interface Entry {
  readonly name: string
  readonly what: "begun" | "done" | "interrupted"
  readonly token: number
}

/** What the steps of all processes did, in order. */
const makeJournal = () => {
  const entries: Array<Entry> = []
  return {
    entries,
    of: (what: Entry["what"]) => entries.filter((entry) => entry.what === what).map(({ name }) => name)
  }
}
type Journal = ReturnType<typeof makeJournal>

type Services = Heddle.Services | Lease.Lease | Fulfil

/** While it is stopped no timer of it goes off, as with SIGSTOP, and all that were due do when it continues. */
interface Process {
  readonly name: string
  readonly stop: Effect.Effect<unknown>
  readonly continue: Effect.Effect<unknown>
  readonly isStopped: () => boolean
  readonly on: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Services>>
}

type Work = (name: string, cents: number) => Effect.Effect<void, Bad, LeaseStore.LeaseStore>

/** A process: its engine, its orchestrator and its leases, over the stores that all share. */
const process = (time: VirtualClock.VirtualClock, name: string, work: Work) =>
  Effect.gen(function* () {
    const stores = yield* Effect.context<LeaseStore.LeaseStore>()
    const running = yield* Effect.makeLatch(true)
    let isStopped = false
    const clock: Clock.Clock = {
      ...time.clock,
      sleep: (duration) => Effect.zipRight(time.clock.sleep(duration), running.await)
    }
    const desk = Layer.succeed(Desk, {
      name,
      work: (cents) => Effect.as(Effect.provide(work(name, cents), stores), name)
    })
    const live = Fulfil.layer({ poll: "1 second" }).pipe(
      Layer.provide(desk),
      Layer.provideMerge(
        Heddle.layerLeased({
          engine: { poll: "1 hour" },
          lease: { owner: name, heartbeat: ttl / 5, expiry: ttl }
        })
      ),
      Layer.merge(Lease.layer({ owner: name })),
      Layer.fresh
    )
    const context = yield* Effect.withClock(Layer.build(live), clock)
    const turn = (stopped: boolean) =>
      Effect.suspend(() => {
        isStopped = stopped
        return stopped ? running.close : running.open
      })
    return {
      name,
      stop: turn(true),
      continue: turn(false),
      isStopped: () => isStopped,
      on: <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(Effect.provide(context), Effect.withClock(clock))
    } satisfies Process
  })

/** Works for as long as it takes, and writes down who did, and under which token of the run's lease. */
const working =
  (journal: Journal, { millis = worktime, runId = order } = {}): Work =>
  (name) =>
    Effect.gen(function* () {
      const { holder, token } = Option.getOrThrow(yield* Effect.orDie(leaseOf(runId)))
      assert.strictEqual(holder.split("/")[0], name, "who begins has the lease")
      const say = (what: Entry["what"]) => Effect.sync(() => journal.entries.push({ name, what, token }))
      yield* say("begun")
      yield* Effect.sleep(millis).pipe(Effect.onExit((exit) => say(Exit.isSuccess(exit) ? "done" : "interrupted")))
    })

const ask = (process: Process, runId: RunId = order) =>
  process.on(Effect.flatMap(Fulfil, (node) => node.process({ cents: 5 }, { runId })))

const resume = (process: Process) =>
  process.on(
    Effect.gen(function* () {
      const resumed = yield* (yield* Fulfil).resume(order)
      return yield* resumed.await
    })
  )

/** How often a module of the run was accepted as completed. */
const completions = (runId: RunId = order) =>
  Effect.map(historyOf(runId), (history) => {
    const counts: Record<string, number> = {}
    for (const transition of history) {
      if (transition._tag !== "ModuleTransition" || transition.status !== "completed") continue
      counts[transition.module] = (counts[transition.module] ?? 0) + 1
    }
    return counts
  })

const once = { cents: 1, quote: 1, hold: 1, note: 1 }
const begun = { cents: 1, quote: 1 }

const scenario = <A, E>(
  f: (
    time: VirtualClock.VirtualClock
  ) => Effect.Effect<A, E, Effect.Effect.Context<ReturnType<typeof process>> | Timeline.Timeline>
) => Effect.provide(VirtualClock.test(f), stores)

describe("a step of an orchestrator under the lease of its run", () => {
  it.scoped("runs in one of two engines that are asked for it at once, and both give what it gave", () =>
    scenario((time) =>
      Effect.gen(function* () {
        const journal = makeJournal()
        const both = [
          yield* process(time, "one", working(journal)),
          yield* process(time, "two", working(journal))
        ] as const
        const asked = yield* Effect.forEach([...both, ...both], (process) => Effect.fork(ask(process)))
        yield* time.advance(worktime / 2)
        assert.lengthOf(journal.entries, 1)
        const { name } = journal.entries[0]!
        assert.strictEqual(yield* ownerOf(order), name)
        const outputs = yield* time.until(Effect.forEach(asked, Fiber.join))
        for (const output of outputs) assert.deepStrictEqual(output, { note: `held by ${name}` })
        assert.deepStrictEqual([journal.of("begun"), journal.of("done")], [[name], [name]])
        assert.deepStrictEqual(yield* completions(), once)
        assert.isTrue(Option.isNone(yield* leaseOf(order)), "released")
      })
    )
  )

  for (const [how, end] of [
    ["fails", "fail"],
    ["is interrupted", "interrupt"],
    ["is cut off with its engine", "close"]
  ] as const) {
    it.scoped(`is free as soon as it ${how}, and the other engine goes on with it at once`, () =>
      scenario((time) =>
        Effect.gen(function* () {
          const journal = makeJournal()
          const first: Work = (name, cents) =>
            Effect.zipRight(working(journal)(name, cents), end === "fail" ? new Bad({ why: "none left" }) : Effect.void)
          const two = yield* process(time, "two", working(journal))
          const exit = yield* Effect.scoped(
            Effect.gen(function* () {
              const one = yield* process(time, "one", first)
              const asking = yield* Effect.fork(ask(one))
              yield* time.advance(worktime / 2)
              assert.strictEqual(yield* ownerOf(order), "one")
              const refused = yield* Effect.flip(resume(two))
              assert(
                refused instanceof OrchestratorNode.OrchestrationFailed && refused.cause instanceof RunError.RunHeld
              )
              if (end === "interrupt") yield* Fiber.interrupt(asking)
              if (end === "close") return Exit.void
              if (end === "fail") yield* time.advance(worktime)
              return yield* Fiber.await(asking)
            })
          )
          if (end === "fail") assert.deepStrictEqual(exit, Exit.fail(new Bad({ why: "none left" })))
          assert.isTrue(Option.isNone(yield* leaseOf(order)), "released")
          const before = yield* Clock.currentTimeMillis
          const resuming = yield* Effect.fork(resume(two))
          yield* time.advance(0)
          assert.strictEqual(yield* ownerOf(order), "two")
          assert.deepStrictEqual(journal.of("begun"), ["one", "two"])
          assert.strictEqual(yield* Clock.currentTimeMillis, before)
          assert.deepStrictEqual(yield* time.until(Fiber.join(resuming)), { note: "held by two" })
          const [token, next] = journal.entries.filter(({ what }) => what === "begun").map(({ token }) => token)
          assert.isAbove(next!, token!)
          assert.deepStrictEqual(yield* completions(), once)
          assert.isTrue(Option.isNone(yield* leaseOf(order)), "released")
        })
      )
    )
  }

  for (const [how, interruptible] of [
    ["and is interrupted", true],
    ["and comes to its end all the same, which nobody accepts", false]
  ] as const) {
    it.scoped(`of an engine that has stood still is taken over after the ttl, ${how}`, () =>
      scenario((time) =>
        Effect.gen(function* () {
          const journal = makeJournal()
          const work = working(journal)
          // it has long to go when the process goes on, or has come to its end by then
          const long = working(journal, { millis: 10 * ttl })
          const stubborn: Work = (name, cents) => Effect.uninterruptible(work(name, cents))
          const one = yield* process(time, "one", interruptible ? long : stubborn)
          const two = yield* process(time, "two", work)
          const first = yield* Effect.fork(ask(one))
          yield* time.advance(worktime / 2)
          const second = yield* Effect.fork(ask(two))
          yield* time.advance(100)
          yield* one.stop
          const { remaining } = Option.getOrThrow(yield* leaseOf(order))
          yield* time.advance(remaining - 1)
          assert.deepStrictEqual(journal.of("begun"), ["one"], "held for the ttl")
          // the lease has ended, and the other one looks each second
          yield* time.advance(1001)
          assert.deepStrictEqual(journal.of("begun"), ["one", "two"])
          const [stale, present] = journal.entries
          assert.isAbove(present!.token, stale!.token)
          assert.deepStrictEqual([journal.of("done"), journal.of("interrupted")], [[], []])

          // all its timers go off at once: those of the step, and of the heartbeat
          yield* one.continue
          yield* time.advance(0)
          assert.deepStrictEqual(journal.of(interruptible ? "interrupted" : "done"), ["one"])
          assert.deepStrictEqual(yield* completions(), begun, "nobody believes it")
          assert.strictEqual(yield* ownerOf(order), "two")

          for (const fiber of [first, second]) {
            assert.deepStrictEqual(yield* time.until(Fiber.join(fiber)), { note: "held by two" })
          }
          assert.deepStrictEqual(journal.of("begun"), ["one", "two"])
          assert.deepStrictEqual(yield* completions(), once)
          assert.isTrue(Option.isNone(yield* leaseOf(order)), "released")
        })
      )
    )
  }

  it.scoped("that is a child of another run is taken over with it, and both complete once", () =>
    scenario((time) =>
      Effect.gen(function* () {
        const parent = RunId.make("shop")
        const fulfilled = Module.node("fulfilled", { node: Fulfil, input: () => ({ cents: 5 }) })
        const Shop = Dag.make("shop", { outputs: { fulfilled } })
        const child = OrchestratorNode.childId(Fulfil, { runId: parent, path: "fulfilled" })
        const journal = makeJournal()
        const one = yield* process(time, "one", working(journal, { runId: child }))
        const two = yield* process(time, "two", working(journal, { runId: child }))
        const first = yield* Effect.fork(Effect.flip(one.on(Engine.execute(Shop, {}, { runId: parent }))))
        yield* time.advance(worktime / 2)
        assert.deepStrictEqual([yield* ownerOf(parent), yield* ownerOf(child)], ["one", "one"])
        yield* one.stop
        yield* time.advance(ttl)
        const second = yield* Effect.fork(two.on(Engine.resume(Shop, parent)))
        yield* time.advance(1)
        assert.deepStrictEqual([yield* ownerOf(parent), yield* ownerOf(child)], ["two", "two"])
        yield* one.continue
        assert.deepStrictEqual(yield* time.until(Fiber.join(second)), { fulfilled: { note: "held by two" } })
        assert.strictEqual((yield* time.until(Fiber.join(first)))._tag, "RunLost")
        assert.deepStrictEqual(journal.of("begun"), ["one", "two"])
        assert.deepStrictEqual([yield* completions(parent), yield* completions(child)], [{ fulfilled: 1 }, once])
        assert.deepStrictEqual([yield* ownerOf(parent), yield* ownerOf(child)], [undefined, undefined])
      })
    )
  )

  it.scoped.prop(
    "whoever is asked, stopped, continued and interrupted: one at a time works, and one completion is accepted",
    [
      fc.array(
        fc.oneof(
          fc.record({
            tag: fc.constantFrom("ask" as const, "stop" as const, "continue" as const, "interrupt" as const),
            at: fc.nat(2)
          }),
          fc.record({ tag: fc.constant("advance" as const), at: fc.integer({ min: 1, max: ttl + 1500 }) })
        ),
        { minLength: 3, maxLength: 20 }
      ),
      fc.boolean(),
      fc.constantFrom(worktime, 4 * worktime)
    ],
    ([steps, interruptible, millis]) =>
      scenario((time) =>
        Effect.gen(function* () {
          const journal = makeJournal()
          const processes: Array<Process> = []
          const at = new Set<string>()
          const work: Work = (name, cents) =>
            Effect.suspend(() => {
              at.add(name)
              assertAlone()
              const body = Effect.ensuring(
                working(journal, { millis })(name, cents),
                Effect.sync(() => at.delete(name))
              )
              return interruptible ? body : Effect.uninterruptible(body)
            })
          /** Of those that are not stopped, and so can know, one works. */
          const assertAlone = () => {
            const present = processes.filter(({ isStopped, name }) => at.has(name) && !isStopped())
            if (interruptible) assert.isAtMost(present.length, 1, present.map(({ name }) => name).join(" and "))
          }
          for (const name of ["one", "two", "three"]) processes.push(yield* process(time, name, work))
          const asked: Array<
            readonly [process: Process, fiber: Fiber.RuntimeFiber<{ readonly note: string }, unknown>]
          > = []
          for (const step of steps) {
            assertAlone()
            if (step.tag === "advance") {
              yield* time.advance(step.at)
              continue
            }
            const process = processes[step.at]!
            if (step.tag === "stop") yield* process.stop
            else if (step.tag === "continue") yield* process.continue
            // a process that is stopped takes no orders
            else if (process.isStopped()) continue
            else if (step.tag === "ask") asked.push([process, yield* Effect.fork(ask(process))])
            else for (const [by, fiber] of asked) if (by === process) yield* Fiber.interruptFork(fiber)
            yield* time.advance(0)
          }
          for (const process of processes) yield* process.continue
          // what they are late with is done first
          yield* time.advance(0)
          const exits = yield* time.until(Effect.forEach(asked, ([, fiber]) => Fiber.await(fiber)))
          const last = yield* time.until(ask(processes[0]!))
          for (const exit of exits) {
            // who asks for what another caller has begun is cut off with that
            if (Exit.isSuccess(exit)) assert.deepStrictEqual(exit.value, last)
            else assert.isTrue(Exit.isInterrupted(exit), String(exit))
          }
          assert.deepStrictEqual(yield* completions(), once)
          const tokens = journal.entries.filter(({ what }) => what === "begun").map(({ token }) => token)
          assert.deepStrictEqual(
            tokens,
            [...new Set(tokens)].sort((a, b) => a - b),
            "tokens grow"
          )
          yield* time.advance(ttl)
          assert.isTrue(Option.isNone(yield* leaseOf(order)), "released")
        })
      ),
    { fastCheck: { numRuns } }
  )
})

describe("a step of an orchestrator under a lease of its own", () => {
  const till = "till"

  /** Each execution has a run of its own, and all of them one till. */
  const atTheTill =
    (journal: Journal, leases: Map<string, Lease.Lease["Type"]>): Work =>
    (name) =>
      Effect.gen(function* () {
        const token = yield* Lease.token
        const say = (what: Entry["what"]) => Effect.sync(() => journal.entries.push({ name, what, token }))
        yield* say("begun")
        yield* Effect.sleep(worktime).pipe(Effect.onExit((exit) => say(Exit.isSuccess(exit) ? "done" : "interrupted")))
      }).pipe(leases.get(name)!.withLease(till, ttl), Effect.orDie)

  const holder = Effect.flatMap(LeaseStore.LeaseStore, (store) => store.get(till))

  const two = (time: VirtualClock.VirtualClock, journal: Journal) =>
    Effect.gen(function* () {
      const leases = new Map<string, Lease.Lease["Type"]>()
      const work = atTheTill(journal, leases)
      const made = [yield* process(time, "one", work), yield* process(time, "two", work)] as const
      for (const process of made) leases.set(process.name, yield* process.on(Lease.Lease))
      return made
    })

  const [mine, theirs] = [RunId.make("mine"), RunId.make("theirs")]

  it.scoped("has it alone, in whichever engine it runs, until it has ended or is interrupted", () =>
    scenario((time) =>
      Effect.gen(function* () {
        const journal = makeJournal()
        const [one, other] = yield* two(time, journal)
        const first = yield* Effect.fork(ask(one, mine))
        yield* time.advance(10)
        const second = yield* Effect.fork(ask(other, theirs))
        yield* time.advance(worktime / 2)
        assert.deepStrictEqual(journal.of("begun"), ["one"])
        // cut off, with its lease; and waits in line when it is asked for again
        yield* Fiber.interrupt(first)
        yield* time.advance(1000)
        assert.deepStrictEqual([journal.of("interrupted"), journal.of("begun")], [["one"], ["one", "two"]])
        const again = yield* Effect.fork(ask(one, mine))
        yield* time.advance(worktime / 2)
        assert.deepStrictEqual(journal.of("begun"), ["one", "two"])
        assert.deepStrictEqual(yield* time.until(Fiber.join(second)), { note: "held by two" })
        assert.deepStrictEqual(yield* time.until(Fiber.join(again)), { note: "held by one" })
        assert.deepStrictEqual(
          journal.entries.map(({ what }) => what),
          ["begun", "interrupted", "begun", "done", "begun", "done"]
        )
        assert.deepStrictEqual(
          journal.entries.map(({ token }) => token),
          [1, 1, 2, 2, 3, 3]
        )
        assert.isTrue(Option.isNone(yield* holder), "released")
      })
    )
  )

  it.scoped("is not believed when its engine has stood still past the ttl, and another has had it since", () =>
    scenario((time) =>
      Effect.gen(function* () {
        const journal = makeJournal()
        const [one, other] = yield* two(time, journal)
        const first = yield* Effect.fork(Effect.exit(ask(one, mine)))
        yield* time.advance(10)
        yield* one.stop
        const second = yield* Effect.fork(ask(other, theirs))
        yield* time.advance(ttl - 20)
        assert.deepStrictEqual(journal.of("begun"), ["one"])
        yield* time.advance(1000)
        assert.deepStrictEqual(journal.of("begun"), ["one", "two"])
        yield* one.continue
        yield* time.advance(0)
        const failed = yield* Fiber.join(first)
        assert.include(String(failed), "LeaseLost")
        assert.deepStrictEqual(yield* completions(mine), begun)
        assert.deepStrictEqual(yield* time.until(Fiber.join(second)), { note: "held by two" })
        assert.deepStrictEqual(yield* completions(theirs), once)
      })
    )
  )
})
