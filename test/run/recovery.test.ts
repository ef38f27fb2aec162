/** Runs whose drivers vanish: what is taken over, what goes on, and what is left alone in the end. */
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Context,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Option,
  Schedule,
  Schema,
  Scope,
  TestClock
} from "effect"
import { Dag, Engine, type Heddle, Module, Run, RunId, RunStore, StoreError, Telemetry } from "heddle"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { engineOver, memory, type Store } from "./FaultyStore.js"
import { id, withTime } from "./Harness.js"

const expiry = 5_000

/** What engines log as warnings. */
const log = () => {
  const lines: Array<string> = []
  const writer = Logger.make(({ logLevel, message }) => {
    if (logLevel.label === "WARN") lines.push(String(Array.isArray(message) ? message[0] : message))
  })
  return { lines, logger: Logger.replace(Logger.defaultLogger, writer) }
}

/** A process with an engine, until the end of the test. `crash` is a sudden end: nothing is let go of. */
const begin = <const D extends ReadonlyArray<Dag.Any> = readonly []>(
  store: Store,
  options: Partial<Engine.Options<D>> = {},
  { logger = Layer.empty, writer = {} }: Pick<Heddle.Options, "writer"> & { readonly logger?: Layer.Layer<never> } = {}
) =>
  Effect.gen(function* () {
    let isUp = true
    const mortal: Store = { ...store, release: (run) => (isUp ? store.release(run) : Effect.void) }
    const scope = yield* Scope.fork(yield* Effect.scope, { _tag: "Sequential" })
    const layer = engineOver<D>(mortal, {
      engine: options,
      lease: { expiry },
      writer
    })
    const context = yield* Layer.buildWithScope(layer, scope).pipe(Effect.provide(logger))
    return {
      within: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, context),
      crash: Effect.suspend(() => {
        isUp = false
        return withTime(Scope.close(scope, Exit.void))
      })
    }
  })

/** The heartbeats of those who have crashed have expired. */
const expired = TestClock.adjust(expiry + 1)

/** Time for what is begun to be written. */
const written = TestClock.adjust("1 second")

const sqlite = Effect.map(Layer.build(RunStoreSqlite.layer({ filename: ":memory:" })), (context) =>
  Context.get(context, RunStore.RunStore)
)

const rowOf = (store: Store, runId = id) => Effect.map(store.run(runId), Option.getOrThrow)

const statusOf = (store: Store, runId = id) => Effect.map(rowOf(store, runId), ({ status }) => status)

/** The statuses of each module in the order in which they were stored, with the numbers of their attempts. */
const stepsOf = (store: Store, runId = id) =>
  Effect.map(store.history(runId, { after: 0, limit: 10_000 }), (history) => {
    const steps: { [module: string]: Array<string> } = {}
    for (const transition of history) {
      if (transition._tag !== "ModuleTransition") continue
      ;(steps[transition.module] ??= []).push(`${transition.status} ${transition.attempt}`)
    }
    return steps
  })

const pause = Module.sleep("pause", { duration: "1 hour" })
const Pausing = Dag.make("pausing", { outputs: { pause } })

/** A Dag whose module goes on once it is told to: until then its attempts take forever. */
const holding = (name = "holding") => {
  const state = { isHeld: true, begun: 0 }
  const held = Module.make("held", {
    output: Schema.Int,
    run: () => Effect.suspend(() => (state.begun++, state.isHeld ? Effect.never : Run.attempt))
  })
  return { dag: Dag.make(name, { outputs: { held } }), state }
}

/** A process that has begun to drive these runs. */
const started = (store: Store, dag: Dag.Dag<unknown, {}>, runIds: ReadonlyArray<RunId> = [id]) =>
  Effect.gen(function* () {
    const first = yield* begin(store)
    yield* first.within(Effect.forEach(runIds, (runId) => Engine.start(dag, {}, { runId }), { discard: true }))
    yield* TestClock.adjust("200 millis")
    return first
  })

const ids = (n: number, prefix = "run") =>
  Array.from({ length: n }, (_, i) => RunId.make(`${prefix}-${String(i).padStart(4, "0")}`))

const nothing: Engine.Recovery = { recovered: [], quarantined: [], failed: [] }

describe("a run whose process has crashed", () => {
  it.scoped("goes on in another one, with each module where it was", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const ran: Array<string> = []
      const state = { isHeld: true }
      const step = <const N extends string>(name: N, work: Effect.Effect<void>) =>
        Module.make(name, {
          needs: { done },
          output: Schema.Int,
          run: () =>
            Effect.gen(function* () {
              const attempt = yield* Run.attempt
              ran.push(`${name} ${attempt}`)
              yield* work
              return attempt
            })
        })
      const done = Module.make("done", { output: Schema.Int, run: () => Effect.sync(() => ran.push("done")) })
      const held = step(
        "held",
        Effect.suspend(() => (state.isHeld ? Effect.never : Effect.void))
      )
      const queued = step("queued", Effect.void)
      const ask = Module.signal("ask", {
        needs: { done },
        value: Schema.String,
        timeout: "1 hour",
        onTimeout: () => "nobody"
      })
      const last = Module.make("last", {
        needs: { held, queued },
        output: Schema.Void,
        run: () => Effect.sync(() => void ran.push("last"))
      })
      const dag = Dag.make("all", { outputs: { last, ask, held, queued } })

      const first = yield* begin(store)
      yield* first.within(Engine.start(dag, {}, { runId: id, concurrency: 1 }))
      yield* TestClock.adjust("1 minute")
      const before = yield* stepsOf(store)
      assert.deepStrictEqual(before, {
        done: ["running 1", "completed 1"],
        held: ["running 1"],
        queued: ["scheduled 1"],
        ask: ["suspended 1"]
      })
      yield* first.crash
      assert.deepInclude(yield* rowOf(store), { status: "running", epoch: 1, recoveries: 0 })
      assert.notStrictEqual((yield* rowOf(store)).owner, "")
      yield* expired
      state.isHeld = false
      const second = yield* begin(store, { dags: [dag] })
      yield* written
      // it waits on for its signal, with the deadline that it had
      assert.deepStrictEqual(yield* stepsOf(store), {
        done: ["running 1", "completed 1"],
        held: ["running 1", "running 2", "completed 2"],
        queued: ["scheduled 1", "running 1", "completed 1"],
        last: ["running 1", "completed 1"],
        ask: ["suspended 1"]
      })
      assert.deepStrictEqual(ran, ["done", "held 1", "held 2", "queued 1", "last"])
      const suspended = yield* rowOf(store)
      assert.deepInclude(suspended, { status: "suspended", epoch: 2, recoveries: 0, wakeAt: 3_600_000 })
      yield* TestClock.setTime(3_600_000 - 1)
      assert.strictEqual((yield* rowOf(store)).epoch, 2)
      yield* written
      const outputs = yield* second.within(withTime(Engine.execute(dag, {}, { runId: id })))
      assert.deepStrictEqual(outputs, { last: undefined, ask: "nobody", held: 2, queued: 1 })
      assert.deepStrictEqual((yield* stepsOf(store)).ask, ["suspended 1", "completed 1"])
    })
  )

  it.scoped("goes on once what its Dag requires is there, and not before", () =>
    Effect.gen(function* () {
      class Gateway extends Context.Tag("Gateway")<Gateway, { readonly name: string }>() {}
      const store = yield* memory
      const gate = { isHeld: true }
      const held = Module.make("held", {
        output: Schema.String,
        run: () => Effect.flatMap(Gateway, ({ name }) => (gate.isHeld ? Effect.never : Effect.succeed(name)))
      })
      const dag = Dag.make("requires", { outputs: { held } })
      const first = yield* begin(store)
      yield* first.within(Engine.start(dag, {}, { runId: id })).pipe(Effect.provideService(Gateway, { name: "first" }))
      yield* TestClock.adjust("1 second")
      yield* first.crash
      yield* expired
      gate.isHeld = false
      const slow = Layer.effect(Gateway, Effect.delay(Effect.succeed({ name: "second" }), "1 hour"))
      const layer = engineOver(store, { engine: { dags: [dag] }, lease: { expiry } }).pipe(Layer.provide(slow))
      const building = yield* Effect.fork(Layer.build(layer))
      yield* TestClock.adjust("59 minutes")
      assert.deepInclude(yield* rowOf(store), { status: "running", epoch: 1 })
      yield* TestClock.adjust("2 minutes")
      const context = yield* Fiber.join(building)
      const outputs = yield* withTime(Engine.execute(dag, {}, { runId: id })).pipe(
        Effect.provide(context),
        Effect.provideService(Gateway, { name: "third" })
      )
      assert.deepStrictEqual(outputs, { held: "second" })
    })
  )

  it.scoped("is not taken over by itself when the engine is told not to, while a suspended one is woken", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const { dag, state } = holding()
      // more of them than are looked at together, all before the suspended one
      const all = ids(250)
      const first = yield* started(store, dag, all)
      const sleeper = RunId.make("sleeper")
      yield* first.within(Effect.flip(withTime(Engine.execute(Pausing, {}, { runId: sleeper }))))
      yield* first.crash
      state.isHeld = false
      const second = yield* begin(store, { dags: [dag, Pausing], recover: false })
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(yield* statusOf(store, sleeper), "completed")
      assert.deepInclude(yield* rowOf(store, all[0]), { status: "running", epoch: 1, recoveries: 0 })
      assert.strictEqual(state.begun, 250)

      const { failed, quarantined, recovered } = yield* second.within(withTime(Engine.recover))
      assert.deepStrictEqual({ failed, quarantined }, { failed: [], quarantined: [] })
      assert.sameMembers([...recovered], all)
      yield* written
      for (const runId of all) assert.strictEqual(yield* statusOf(store, runId), "completed")
      assert.deepStrictEqual(yield* second.within(Engine.recover), nothing)
    })
  )

  it.scoped("is found by recover as soon as its heartbeat has expired, and by one of two who look", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const { dag, state } = holding()
      const first = yield* started(store, dag)
      const last = (yield* rowOf(store)).heartbeatAt
      yield* first.crash
      const options = { dags: [dag], recover: false }
      const [a, b] = [yield* begin(store, options), yield* begin(store, options)]
      const other = yield* begin(store)
      yield* TestClock.setTime(last + expiry)
      assert.deepStrictEqual(yield* a.within(Engine.recover), nothing)
      yield* TestClock.adjust(1)
      // it owns no Dag
      assert.deepStrictEqual(yield* other.within(Engine.recover), nothing)
      const found = yield* Effect.all([a.within(Engine.recover), b.within(Engine.recover)], { concurrency: 2 })
      assert.deepStrictEqual(
        found.flatMap(({ recovered }) => recovered),
        [id]
      )
      assert.deepInclude(yield* rowOf(store), { epoch: 2, recoveries: 1 })
      // and it goes on, without anybody waiting for it
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(state.begun, 2)
      assert.deepStrictEqual(yield* b.within(Engine.recover), nothing)
    })
  )
})

describe("a poison run", () => {
  /** A process that owns the Dag, once the run of it is quarantined. */
  const quarantined = (store: Store, dag: Dag.Dag<unknown, {}>) =>
    Effect.gen(function* () {
      const first = yield* started(store, dag)
      yield* first.crash
      yield* expired
      const process = yield* begin(store, { dags: [dag], maxRecoveries: 0 })
      yield* written
      assert.deepInclude(yield* rowOf(store), { quarantined: true, recoveries: 1, status: "running" })
      return process
    })

  for (const [name, make] of [
    ["memory", memory],
    ["a SQLite file", sqlite]
  ] as const) {
    it.scoped(
      `that kills each of its drivers is taken over so many times, then left alone; others go on: ${name}`,
      () =>
        Effect.gen(function* () {
          for (const maxRecoveries of [1, 2, 5]) {
            const store = yield* make
            const poison = holding("poison")
            const fine = holding("fine")
            const other = RunId.make("other")
            const first = yield* started(store, poison.dag)
            yield* first.within(Engine.start(fine.dag, {}, { runId: other }))
            yield* written
            yield* first.crash
            fine.state.isHeld = false
            const { lines, logger } = log()
            const options = { dags: [poison.dag, fine.dag], maxRecoveries }
            for (let recoveries = 1; recoveries <= maxRecoveries; recoveries++) {
              yield* expired
              const process = yield* begin(store, options, { logger })
              yield* written
              assert.deepInclude(yield* rowOf(store), { recoveries, quarantined: false, epoch: recoveries + 1 })
              assert.strictEqual(yield* statusOf(store, other), "completed")
              yield* process.crash
            }
            assert.strictEqual(poison.state.begun, 1 + maxRecoveries)
            assert.deepStrictEqual(lines, [])
            yield* expired
            const before = (yield* Metric.value(Telemetry.runsQuarantined)).count
            const last = yield* begin(store, { ...options, poll: "1 second" }, { logger })
            yield* TestClock.adjust("1 minute")
            assert.strictEqual(poison.state.begun, 1 + maxRecoveries)
            const row = {
              status: "running",
              recoveries: maxRecoveries + 1,
              quarantined: true,
              epoch: maxRecoveries + 1
            } as const
            assert.deepInclude(yield* rowOf(store), row)
            // said once, also after another engine came
            const again = yield* begin(store, options, { logger })
            yield* written
            assert.lengthOf(lines, 1)
            assert.match(lines[0]!, /^run "run" is quarantined: .* Engine\.resume$/)
            assert.strictEqual((yield* Metric.value(Telemetry.runsQuarantined)).count, before + 1)
            const [summary] = yield* last.within(Engine.list({ dag: "poison" }))
            assert.deepInclude(summary, { runId: id, recoveries: maxRecoveries + 1, quarantined: true })
            assert.deepStrictEqual(yield* again.within(Engine.recover), nothing)
          }
        })
    )
  }

  it.scoped("is not poison any more once it has made progress", () =>
    Effect.gen(function* () {
      const store = yield* memory
      // the process dies in each step twice
      const work = Effect.flatMap(Run.attempt, (attempt) => (attempt < 3 ? Effect.never : Effect.succeed(attempt)))
      const one = Module.make("one", { output: Schema.Int, run: () => work })
      const two = Module.make("two", { needs: { one }, output: Schema.Int, run: () => work })
      const three = Module.make("three", { needs: { two }, output: Schema.Int, run: () => work })
      const dag = Dag.make("steps", { outputs: { three } })
      const options = { dags: [dag], maxRecoveries: 2 }
      let process = yield* begin(store, options)
      yield* process.within(Engine.start(dag, {}, { runId: id }))
      yield* written
      for (let crashes = 0; crashes < 6; crashes++) {
        assert.strictEqual(yield* statusOf(store), "running")
        yield* process.crash
        yield* expired
        process = yield* begin(store, options)
        yield* written
        assert.strictEqual((yield* rowOf(store)).recoveries, crashes % 2 === 0 ? 1 : 0)
      }
      assert.strictEqual(yield* statusOf(store), "completed")
    })
  )

  type Held = Dag.Dag<{ readonly held: number }, {}>
  const ways: { readonly [how: string]: (dag: Held) => Effect.Effect<unknown, unknown, Engine.Engine> } = {
    resume: (dag) => Engine.resume(dag, id),
    start: (dag) => Engine.execute(dag, {}, { runId: id })
  }
  for (const [how, again] of Object.entries(ways)) {
    it.scoped(`is driven when somebody asks for it: ${how}`, () =>
      Effect.gen(function* () {
        const store = yield* memory
        const { dag, state } = holding()
        const process = yield* quarantined(store, dag)
        // and again, as often as any other
        const asking = yield* Effect.fork(process.within(again(dag)))
        yield* written
        assert.deepInclude(yield* rowOf(store), { quarantined: false, recoveries: 0, status: "running" })
        yield* Fiber.interrupt(asking)
        state.isHeld = false
        yield* process.within(again(dag))
        assert.deepInclude(yield* rowOf(store), { quarantined: false, recoveries: 0, status: "completed" })
      })
    )
  }

  it.scoped("can be cancelled", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const { dag } = holding()
      const process = yield* quarantined(store, dag)
      yield* process.within(Engine.cancel(dag, id))
      assert.deepInclude(yield* rowOf(store), { quarantined: false, status: "cancelled" })
    })
  )

  it.scoped("may be one that was suspended: it is woken no more, and resumed when somebody asks for it", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const first = yield* begin(store)
      yield* first.within(Effect.flip(withTime(Engine.execute(Pausing, {}, { runId: id }))))
      yield* TestClock.adjust("2 hours")
      // it is claimed, and its driver vanishes before it writes anything
      const claim = (owner: string, now: number) =>
        store.claim({ runId: id, owner, now, expiredBefore: now - expiry, reopen: false, maxRecoveries: 0 })
      assert.strictEqual((yield* claim("ghost", 0))._tag, "Claimed")
      const options = { dags: [Pausing], maxRecoveries: 0 }
      const second = yield* begin(store, options)
      yield* written
      assert.deepInclude(yield* rowOf(store), { status: "suspended", quarantined: true })
      assert.deepStrictEqual(yield* second.within(Engine.recover), nothing)
      yield* second.within(Engine.resume(Pausing, id))
      assert.deepInclude(yield* rowOf(store), { status: "completed", quarantined: false })
    })
  )
})

describe("a run that cannot be driven", () => {
  const corrupt = new StoreError({ reason: "corrupt", location: "here", operation: "get", message: "no run" })
  const busy = new StoreError({ reason: "busy", location: "here", operation: "get", message: "busy" })

  it.scoped("is tried so many times, then quarantined; the others go on", () =>
    Effect.gen(function* () {
      for (const maxRecoveries of [0, 1, 3]) {
        const store = yield* memory
        const { dag, state } = holding()
        const others = ids(3)
        const first = yield* started(store, dag, [id, ...others])
        yield* first.crash
        yield* expired
        state.isHeld = false
        let tries = 0
        const get: Store["get"] = (runId) =>
          runId === id ? Effect.suspend(() => (tries++, corrupt)) : store.get(runId)
        const { lines, logger } = log()
        // the crash is the first of what counts
        const options = { dags: [dag], maxRecoveries: maxRecoveries + 1 }
        yield* begin({ ...store, get }, options, { logger })
        yield* written
        for (const runId of others) assert.strictEqual(yield* statusOf(store, runId), "completed")
        assert.strictEqual(tries, 1)
        assert.deepInclude(yield* rowOf(store), { recoveries: 2, quarantined: false, owner: "" })
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(tries, maxRecoveries + 1)
        assert.deepInclude(yield* rowOf(store), { recoveries: maxRecoveries + 2, quarantined: true })
        assert.deepStrictEqual(
          lines.map((line) => line.slice(0, 30)),
          [
            ...Array.from({ length: maxRecoveries + 1 }, () => 'run "run" is due and could not'),
            'run "run" is quarantined: 2 dr'.replace("2", String(maxRecoveries + 2))
          ]
        )
      }
    })
  )

  it.scoped("is given by recover, with the cause; looking again tries again", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const { dag } = holding()
      const first = yield* started(store, dag, [id, ...ids(2)])
      yield* first.crash
      yield* expired
      const get: Store["get"] = (runId) => (runId === id ? corrupt : store.get(runId))
      const second = yield* begin({ ...store, get }, { dags: [dag], recover: false, maxRecoveries: 2 })
      const tried = { recovered: [], quarantined: [], failed: [{ runId: id, cause: Cause.fail(corrupt) }] }
      assert.deepStrictEqual(yield* second.within(Engine.recover), { ...tried, recovered: ids(2) })
      assert.deepStrictEqual(yield* second.within(Engine.recover), tried)
      assert.deepStrictEqual(yield* second.within(Engine.recover), { ...nothing, quarantined: [id] })
      assert.deepStrictEqual(yield* second.within(Engine.recover), nothing)
    })
  )

  it.scoped("because the store is busy is not quarantined, and tried until it can be", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const { dag, state } = holding()
      const first = yield* started(store, dag)
      yield* first.crash
      yield* expired
      state.isHeld = false
      let tries = 0
      const get: Store["get"] = (runId) => Effect.suspend(() => (++tries <= 20 ? busy : store.get(runId)))
      yield* begin({ ...store, get }, { dags: [dag], maxRecoveries: 1, poll: "1 second" })
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(tries, 20)
      assert.deepInclude(yield* rowOf(store), { recoveries: 1, quarantined: false, owner: "" })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* statusOf(store), "completed")
    })
  )

  it.scoped("when the store cannot be asked at all, recover fails, and what is due stays so", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const { dag } = holding()
      const first = yield* started(store, dag)
      yield* first.crash
      yield* expired
      const second = yield* begin({ ...store, due: () => busy }, { dags: [dag], recover: false })
      assert.strictEqual(yield* second.within(Effect.flip(Engine.recover)), busy)
      assert.deepInclude(yield* rowOf(store), { recoveries: 0, epoch: 1 })
    })
  )
})

describe("a run that cannot be written", () => {
  /** A store that does not take the completion of "one". */
  const refusing = (store: Store, reason: StoreError["reason"]): Store => ({
    ...store,
    commit: (batch) =>
      batch.runs.some(({ modules }) => modules.some(({ status }) => status === "completed"))
        ? new StoreError({ reason, location: "here", operation: "commit", message: reason })
        : store.commit(batch)
  })

  const counting = () => {
    const state = { begun: 0 }
    const one = Module.make("one", { output: Schema.Int, run: () => Effect.sync(() => ++state.begun) })
    return { dag: Dag.make("counting", { outputs: { one } }), state }
  }

  for (const onWriteFailure of ["failRun", "record"] as const) {
    it.scoped(`is tried again after a while, then quarantined: ${onWriteFailure}`, () =>
      Effect.gen(function* () {
        const store = yield* memory
        const { dag, state } = counting()
        const process = yield* begin(refusing(store, "full"), { dags: [dag], maxRecoveries: 2 })
        const start = Engine.start(dag, {}, { runId: id, durability: "buffered", onWriteFailure })
        yield* process.within(start)
        yield* written
        assert.strictEqual(state.begun, 1)
        assert.deepInclude(yield* rowOf(store), { status: "running", owner: "", recoveries: 1, quarantined: false })
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(state.begun, 1)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(state.begun, 3)
        assert.deepInclude(yield* rowOf(store), { status: "running", recoveries: 3, quarantined: true })
      })
    )
  }

  it.scoped("because the store is busy is tried again, and not quarantined", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const { dag, state } = counting()
      const options = { dags: [dag], maxRecoveries: 2, poll: "10 seconds" } as const
      const process = yield* begin(refusing(store, "busy"), options, { writer: { retry: Schedule.stop } })
      yield* process.within(Engine.start(dag, {}, { runId: id }))
      yield* TestClock.adjust("95 seconds")
      assert.strictEqual(state.begun, 10)
      assert.deepInclude(yield* rowOf(store), { status: "running", recoveries: 0, quarantined: false })
    })
  )
})

describe("maxRecoveries", () => {
  for (const maxRecoveries of [-1, 0.5, NaN, Infinity]) {
    it.scoped(`is not ${maxRecoveries}`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(begin(yield* memory, { maxRecoveries }))
        assert(Exit.isFailure(exit))
        assert.include(Cause.pretty(exit.cause), `maxRecoveries is a whole number of at least 0, not ${maxRecoveries}`)
      })
    )
  }
})
