/**
 * Runs a random graph to its end, in engines over one store: without a break, or cut off, cancelled and timed out on the
 * way, each time to be resumed.
 */
import {
  Cause,
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Schema,
  Scope,
  Stream
} from "effect"
import { Engine, Heddle, Module, ModuleStatus, RunError, RunId, RunSnapshot, RunStore, Timeline } from "heddle"
import type { Transition } from "heddle"
import { StoreError } from "heddle/model/StoreError"
import { isEnded, isResumable } from "heddle/model/Transition"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import type { VirtualClock } from "../VirtualClock.js"
import type { Expected } from "./Expected.js"
import * as GraphDag from "./GraphDag.js"
import type { Graph } from "./RandomGraph.js"
import * as Values from "./Values.js"
import * as Witness from "./Witness.js"

/**
 * What becomes of a run on its way, after so many starts and ends of modules and commits, or when it is suspended. A
 * crash loses what is not committed yet, and leaves a run that nobody lets go of. A timeout is over after a time that
 * follows from `after`.
 */
export interface Cut {
  readonly how: "close" | "interrupt" | "crash" | "cancel" | "timeout"
  readonly after: number
  readonly suspended: boolean
}

export interface Policy {
  readonly concurrency: number
  readonly onFailure: "failFast" | "continue"
  readonly durability: "buffered" | "committed"
  readonly alwaysDecode: boolean
  /** Whether the engines drive the run on by themselves. */
  readonly owned: boolean
  /** Whether signals are delivered as soon as somebody waits for them, or when nothing else goes on. */
  readonly eager: boolean
}

/** A graph, and what to do with it. */
export interface Case {
  readonly graph: Graph
  readonly seed: number
  readonly policy: Policy
  readonly cuts: ReadonlyArray<Cut>
}

/** Whether modules that clean up may run before the run goes on. */
export const isBlind = ({ cuts }: Case) => cuts.some(({ how }) => how === "cancel" || how === "timeout")

export interface Driven {
  /** What whoever waited for the end was given; undefined where it was cut off so late that the run had ended. */
  readonly exit: Exit.Exit<unknown, unknown> | undefined
  /** What `execute` gives of the run that has ended. */
  readonly again: Exit.Exit<unknown, unknown>
  readonly snapshot: RunSnapshot.RunSnapshot
  readonly history: ReadonlyArray<Transition.Transition>
  readonly violations: ReadonlyArray<string>
  /** The modules that added to the live cell. */
  readonly ticked: ReadonlySet<string>
  /** What happened, for the coverage. */
  readonly seen: ReadonlySet<string>
}

const runId = RunId.make("model")
const gate = 2
const patience = 200

type Store = typeof RunStore.RunStore.Service

/** Drives the run of a case; `cuts` in place of its own. */
export const drive = (
  time: VirtualClock,
  given: Case,
  expected: Expected,
  cuts: ReadonlyArray<Cut>
): Effect.Effect<Driven, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const { graph, policy, seed } = given
    const store = Context.get(yield* Layer.build(RunStoreMemory.layer()), RunStore.RunStore)
    const timeline = Context.get(
      yield* Layer.build(Timeline.layer.pipe(Layer.provide(Layer.succeed(RunStore.RunStore, store)))),
      Timeline.Timeline
    )
    const seen = new Set<string>()

    // --- when it is cut

    let left = Infinity
    let onCut = () => {}
    const witness = Witness.make({ concurrency: policy.concurrency, gate, stoppers: expected.stoppers }, () => {
      if (--left === 0) onCut()
    })
    const { violations } = witness
    const dag = GraphDag.make(graph, { blind: isBlind(given), isQuiet: expected.isQuiet, trace: witness.trace })

    // --- engines

    const crashed = new StoreError({ reason: "failed", location: "here", operation: "test", message: "it has crashed" })
    // a timeout that is stored is that of every driver, also of one that comes by itself
    const isOwned = policy.owned && cuts[0]?.how !== "timeout"

    const open = Effect.gen(function* () {
      let isUp = true
      const whileUp = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.suspend((): Effect.Effect<A, E | StoreError> => (isUp ? effect : crashed))
      const controlled: Store = {
        ...store,
        commit: (batch) =>
          whileUp(
            Effect.tap(store.commit(batch), (refused) =>
              Effect.sync(() =>
                batch.runs.forEach((changes) => refused.includes(changes) || witness.committed(changes))
              )
            )
          ),
        signal: (signal) => whileUp(store.signal(signal)),
        release: (claim) => (isUp ? store.release(claim) : Effect.void)
      }
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        Heddle.layer({
          engine: {
            dags: isOwned ? [dag] : [],
            poll: Duration.infinity,
            limits: { [GraphDag.limit]: gate },
            alwaysDecode: policy.alwaysDecode
          },
          lease: { heartbeat: Duration.infinity }
        }).pipe(Layer.provide(Layer.succeed(RunStore.RunStore, controlled))),
        scope
      )
      return {
        engine: Context.get(context, Engine.Engine),
        scope,
        crash: () => {
          isUp = false
        }
      }
    })

    let current: Effect.Effect.Success<typeof open> | undefined
    const engineOf = Effect.gen(function* () {
      if (current === undefined) {
        current = yield* open
        if (policy.eager) yield* Effect.forkIn(watching(current.engine), current.scope)
      }
      return current.engine
    })
    const close = Effect.suspend(() => {
      const closing = current
      current = undefined
      return closing === undefined ? Effect.void : Scope.close(closing.scope, Exit.void)
    })

    // --- signals

    const tried = new Set<string>()
    const delivered = new Set<string>()

    /** Delivers a signal; gives the tag of the error, where it was not delivered. */
    const send = (engine: typeof Engine.Engine.Service, path: string) => {
      const slash = path.lastIndexOf("/")
      const signal = Module.signal(path.slice(slash + 1), { value: Schema.Number })
      const within = slash < 0 ? {} : { within: path.slice(0, slash) }
      return Effect.match(engine.signal(runId, signal, Values.ofSignal(path), within), {
        onSuccess: () => "delivered" as const,
        onFailure: ({ _tag }) => _tag
      })
    }

    const deliver = (engine: typeof Engine.Engine.Service, path: string) =>
      Effect.gen(function* () {
        if (delivered.has(path)) return
        const { status } = RunSnapshot.module(yield* engine.get(runId), path)
        const wasTried = tried.has(path)
        tried.add(path)
        const sent = yield* send(engine, path)
        // what has ended takes none; a store that has crashed did not take it
        if (sent === "RunFinished" || sent === "StoreError") return
        if (sent === "SignalClosed" && ModuleStatus.isFinal(status)) return
        // whoever sent it before was interrupted
        const isKnown = sent === "AlreadyDelivered" && wasTried
        if (sent !== "delivered" && !isKnown) return void violations.push(`signal ${path}, ${status}: ${sent}`)
        delivered.add(path)
        if (sent === "delivered")
          seen.add(status === "suspended" ? "signal: while it waits" : "signal: before it waits")
      })

    /** A signal is delivered once, and not after its time. */
    const deliverLate = (engine: typeof Engine.Engine.Service) =>
      Effect.gen(function* () {
        const snapshot = yield* engine.get(runId)
        for (const { path, way } of expected.signals) {
          const { status } = RunSnapshot.module(snapshot, path)
          const isLate = way === "timeout" && (status === "completed" || status === "failed")
          if (!isLate && !delivered.has(path)) continue
          const sent = yield* send(engine, path)
          const wanted = isEnded(snapshot.status) ? "RunFinished" : isLate ? "SignalClosed" : "AlreadyDelivered"
          if (sent !== wanted && sent !== "RunFinished") violations.push(`late signal ${path}: ${sent}, not ${wanted}`)
          if (sent === wanted && isLate) seen.add("signal: after its time")
        }
      })

    const waitedFor = (snapshot: RunSnapshot.RunSnapshot) =>
      expected.signals.filter(
        ({ path, way }) =>
          way === "waiting" && !delivered.has(path) && RunSnapshot.module(snapshot, path).status === "suspended"
      )

    const watching = (engine: typeof Engine.Engine.Service) =>
      engine.watch(runId).pipe(
        Stream.runForEach((event) =>
          event._tag === "ModuleTransition" &&
          event.status === "suspended" &&
          expected.signals.some(({ path, way }) => path === event.module && way === "waiting")
            ? deliver(engine, event.module)
            : Effect.void
        ),
        Effect.ignore
      )

    // --- its way

    const stored: Effect.Effect<Option.Option<RunSnapshot.RunSnapshot>, StoreError> = Effect.map(
      timeline.get(runId),
      (run) => Option.map(run, ({ snapshot }) => snapshot)
    )
    const options = {
      runId,
      concurrency: policy.concurrency,
      onFailure: policy.onFailure,
      durability: policy.durability
    }

    const deliverBefore = (engine: typeof Engine.Engine.Service) =>
      Effect.forEach(expected.signals, ({ path, way }) => (way === "before" ? deliver(engine, path) : Effect.void))

    const begin = (cut: Cut | undefined) =>
      Effect.gen(function* () {
        const engine = yield* engineOf
        const timeout = timeoutOf(cut)
        const run = yield* stored
        if (Option.isNone(run)) {
          const started = timeout === undefined ? options : { ...options, timeout }
          if (cut?.how === "interrupt") return yield* engine.execute(dag, { seed }, started)
          const handle = yield* engine.start(dag, { seed }, started)
          yield* deliverBefore(engine)
          return yield* handle.await
        }
        yield* deliverBefore(engine)
        return yield* engine.resume(dag, runId, { timeout: timeout ?? Duration.infinity })
      })

    /** The engine may have driven it to its end by itself. */
    const goOn = (cut: Cut | undefined) =>
      Effect.flatMap(stored, (run) =>
        Option.exists(run, ({ status }) => isEnded(status))
          ? Effect.flatMap(engineOf, (engine) => engine.execute(dag, { seed }, options))
          : begin(cut)
      )

    const cancel = Effect.gen(function* () {
      const engine = yield* engineOf
      yield* engine.cancel(dag, runId)
      const { status } = Option.getOrThrow(yield* stored)
      if (!isEnded(status)) violations.push(`it was cancelled and is ${status}`)
    })

    const perform = (how: Cut["how"], fiber: Fiber.Fiber<unknown, unknown> | undefined) =>
      how === "cancel" ? cancel : how === "interrupt" && fiber !== undefined ? Fiber.interrupt(fiber) : close

    let exit: Exit.Exit<unknown, unknown> | undefined
    for (const cut of [...cuts, undefined]) {
      const before = yield* stored
      if (Option.isSome(before)) {
        const { status } = before.value
        // a failed run is resumed only where there is something to do about it
        if (isEnded(status) && (!isResumable(status) || (cut === undefined && status === "failed"))) break
        if (isEnded(status)) witness.reopened()
        seen.add(isEnded(status) ? `resume: ${status}` : "resume: cut off")
        seen.add("resume")
      }
      const isCut = yield* Deferred.make<void>()
      left = cut === undefined || cut.suspended || cut.how === "timeout" ? Infinity : cut.after + 1
      onCut = () => {
        if (cut?.how === "crash") current?.crash()
        Deferred.unsafeDone(isCut, Exit.void)
      }
      exit = undefined
      for (let round = 0; ; round++) {
        if (round > patience) return yield* Effect.dieMessage("the run does not come to its end")
        const fiber = yield* Effect.fork(round === 0 ? begin(cut) : goOn(cut))
        const killer = yield* Effect.fork(
          Effect.zipRight(Deferred.await(isCut), cut === undefined ? Effect.void : perform(cut.how, fiber))
        )
        const ended = yield* time.until(
          Effect.raceFirst(Fiber.await(fiber), Effect.zipRight(Fiber.join(killer), Fiber.await(fiber)))
        )
        if (yield* Deferred.isDone(isCut)) {
          if (cut !== undefined) seen.add(cut.how)
          yield* time.until(Fiber.join(killer))
          break
        }
        yield* Fiber.interrupt(killer)
        if (!isSuspension(ended)) {
          exit = ended
          break
        }
        seen.add("suspension")
        if (cut?.suspended === true && cut.how !== "timeout") {
          seen.add(cut.how)
          if (cut.how === "crash") current?.crash()
          yield* time.until(perform(cut.how, undefined))
          break
        }
        // it waits: for a signal, or for a time
        const engine = yield* engineOf
        yield* time.until(deliverLate(engine))
        const snapshot = yield* engine.get(runId)
        const waited = waitedFor(snapshot)
        for (const { path } of waited) yield* time.until(deliver(engine, path))
        const now = yield* Clock.currentTimeMillis
        if (waited.length === 0) yield* time.advance(Math.max(0, (snapshot.until ?? now + 1000) - now))
      }
      left = Infinity
      if (cut?.how === "crash") {
        yield* time.until(close)
        witness.crashed()
        // its heartbeat expires
        yield* time.advance(6000)
      }
      const run = yield* stored
      if (Option.isNone(run)) {
        if (exit !== undefined) yield* exit
        return yield* Effect.dieMessage("the run was not stored")
      }
      const { status } = run.value
      if (isEnded(status)) {
        const history = yield* timeline.history(runId, { limit: 100_000 })
        const stopped = history.flatMap((entry) =>
          entry._tag === "ModuleTransition" && entry.because === "stop" ? [entry.module] : []
        )
        violations.push(...openIn(run.value, new Set(stopped)))
      }
      if (status === "cancelled" || status === "timedOut" || status === "stopped") seen.add(status)
    }
    const engine = yield* engineOf
    const again = yield* time.until(Effect.exit(engine.execute(dag, { seed }, options)))
    yield* time.until(deliverLate(engine))
    yield* time.until(close)
    const snapshot = Option.getOrThrow(yield* stored)
    const history = yield* timeline.history(runId, { limit: 100_000 })
    return { exit, again, snapshot, history, violations, ticked: witness.ticked, seen }
  })

/** What has not ended, of a run that has; `stopped` are the modules that a stop has skipped at any time. */
const openIn = (run: RunSnapshot.RunSnapshot, stopped: ReadonlySet<string>): ReadonlyArray<string> => {
  const { pending } = RunSnapshot.counts(run)
  const isCompleted = (path: string) => RunSnapshot.module(run, path).status === "completed"
  return [
    ...(pending > 0 ? [`${pending} modules are pending in a run that is ${run.status}`] : []),
    ...Array.from(run.modules).flatMap(([path, { status }]) => {
      // inside of an item that completed all the same: decision 30
      if (status === "pending" && /\/\d+\//.test(path) && stopped.has(path)) return []
      const around = path.replace(/(\/\d+)?\/[^/]+$/, "")
      // what was resumed and did not begin again is as if it had never begun
      if (ModuleStatus.isFinal(status) || (status === "pending" && around !== path && !isCompleted(around))) return []
      return [`${path} is ${status} in a run that is ${run.status}`]
    })
  ]
}

const timeoutOf = (cut: Cut | undefined) =>
  cut?.how !== "timeout" ? undefined : 1 + cut.after * (cut.suspended ? 2000 : 25)

const isSuspension = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) &&
  Option.exists(Cause.failureOption(exit.cause), (error) => error instanceof RunError.RunSuspended)
