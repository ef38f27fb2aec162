/** What an orchestrator does with its Dag and the engine. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { CurrentModule, type Attempt } from "../../dag/CurrentModule.js"
import type * as Dag from "../../dag/Dag.js"
import type * as Module from "../../dag/Module.js"
import * as Frozen from "../../model/Frozen.js"
import * as RunError from "../../model/RunError.js"
import { RunId } from "../../model/RunId.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import { StoreError } from "../../model/StoreError.js"
import { isEnded, isResumable } from "../../model/Transition.js"
import * as DagDescription from "../../run/DagDescription.js"
import * as Engine from "../../run/Engine.js"
import * as StoredResult from "../../run/StoredResult.js"
import type { Timeline } from "../../state/Timeline.js"
import type { Execution, Progress, StepValues } from "../Execution.js"
import { NotActive, OrchestrationFailed, type FailureReason, type OrchestratorFull } from "../OrchestratorError.js"
import type { Options, Orchestrator } from "../OrchestratorService.js"
import * as Captured from "./Captured.js"
import * as ChildRun from "./ChildRun.js"
import * as Codec from "./Codec.js"
import * as Executions from "./Executions.js"

const randomId = Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32), 4), (parts) =>
  RunId.make(parts.map((part) => part.toString(16).padStart(8, "0")).join(""))
)

const limitOf = (node: string, name: string, value: number, least: number) =>
  Number.isInteger(value) && value >= least
    ? Effect.succeed(value)
    : Effect.dieMessage(`the ${name} of "${node}" is ${value}: give a whole number of at least ${least}`)

const pollOf = (node: string, given: Duration.DurationInput) => {
  const poll = Duration.decode(given)
  return Duration.isFinite(poll) && Duration.greaterThan(poll, Duration.zero)
    ? Effect.succeed(poll)
    : Effect.dieMessage(
        `the poll of "${node}" is ${String(given)}: give a duration that is longer than zero, and finite`
      )
}

/** How a run ended that has no outputs; undefined for what is not such an end of this run. */
const reasonOf = (id: RunId, error: unknown): FailureReason | undefined => {
  if (!(error instanceof Error) || !("runId" in error) || error.runId !== id) return undefined
  if (error instanceof RunError.RunFailed) return "failed"
  if (error instanceof RunError.RunCancelled) return "cancelled"
  if (error instanceof RunError.RunTimedOut) return "timedOut"
  if (error instanceof RunError.RunStopped) return "stopped"
  return error instanceof RunError.RunLost ||
    error instanceof RunError.WriteFailed ||
    error instanceof RunError.WriterClosed ||
    error instanceof RunError.WriterFull
    ? "notWritten"
    : undefined
}

/** Why a run was not resumed, rather than how it ended. */
const isRefusal = (id: RunId, error: unknown): error is Exclude<Engine.ResumeError, { readonly _tag: "PlanInvalid" }> =>
  error instanceof StoreError ||
  error instanceof RunError.UnknownLimit ||
  ((error instanceof RunError.UnknownRun ||
    error instanceof RunError.RunFinished ||
    error instanceof RunError.RunHeld ||
    error instanceof RunError.DagChanged ||
    error instanceof RunError.StoredValueInvalid) &&
    error.runId === id)

/** Whether a run goes on, though not here and now: it waits for something, or somebody else drives it. */
const isElsewhere = (id: RunId, cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.failureOption(cause), (error) => {
    const of = error instanceof OrchestrationFailed ? error.cause : error
    return (
      (of instanceof RunError.RunSuspended || of instanceof RunError.RunHeld || of instanceof RunError.RunLost) &&
      of.runId === id
    )
  })

/**
 * Drives the runs of one Dag in the scope: what is live when that closes is cut off. `shown`: whether a module is one of
 * the steps that callers know of.
 */
export const make = <O, I, E, R>(
  node: string,
  dag: Dag.Dag<O, I, E, R>,
  options: Options,
  shown: (name: string) => boolean = () => true
) =>
  Effect.gen(function* () {
    const concurrency = options.concurrency === "unbounded" ? Infinity : options.concurrency
    if (concurrency !== Infinity) yield* limitOf(node, "concurrency", concurrency, 1)
    yield* limitOf(node, "maxWaiting", options.maxWaiting, 0)
    const poll = yield* pollOf(node, options.poll)
    const whole = yield* Effect.orDie(DagDescription.make(dag))
    const description = { ...whole, steps: new Map(Array.from(whole.steps).filter(([name]) => shown(name))) }
    const engine = yield* Engine.Engine
    const provide = yield* Captured.capture<R | Timeline>()
    const codec = Codec.make<I, R>(node, "input", description.input)
    type Failing = E | Engine.RunError | OrchestrationFailed
    const executions = yield* Executions.make<O, Failing>({
      node,
      concurrency,
      maxWaiting: options.whenFull === "fail" ? 0 : options.maxWaiting,
      scope: yield* Effect.scope
    })

    /** With the services that the layer was given; a run is not part of the module that begins it. */
    const outside = <A, E2>(effect: Effect.Effect<A, E2, R | Timeline>): Effect.Effect<A, E2> =>
      Effect.mapInputContext(provide(effect), (caller: Context.Context<never>) =>
        // a module's attempt is in no type here
        Context.omit(CurrentModule)(caller as Context.Context<CurrentModule>)
      )

    const encode = (input: I) => outside(codec.encode(input))

    /** The Dag was found valid when this was made. */
    const read = <A, E2>(effect: Effect.Effect<A, E2 | StoredResult.ReadError, R | Timeline>) =>
      Effect.catchTag(outside(effect), "PlanInvalid", (invalid) => Effect.die(invalid))

    const failed = (id: RunId, reason: FailureReason, cause: Error) =>
      new OrchestrationFailed({ node, runId: id, reason, faults: cause.message, cause })

    // --- how runs begin

    const started = (id: RunId, input: I, options: Omit<Engine.RunOptions, "runId">) =>
      Effect.map(outside(engine.start<O, I, E, R>(dag, input, { ...options, runId: id })), (handle) =>
        Effect.onInterrupt(Effect.interruptible(handle.await), () => handle.interrupt)
      )

    const resumed = (id: RunId, options: Omit<Engine.RunOptions, "runId">): Effect.Effect<O, Failing> =>
      Effect.interruptible(outside(engine.resume<O, I, E, R>(dag, id, options))).pipe(
        Effect.catchTag("PlanInvalid", (invalid) => Effect.die(invalid)),
        Effect.mapErrorCause((cause) =>
          Cause.map(cause, (error) => (isRefusal(id, error) ? failed(id, "notStarted", error) : error))
        )
        // only what a resume is refused with was taken out
      )

    const conflict = ({ id, input }: Executions.Request, obtained: Executions.Obtained<O, Failing>) =>
      obtained.input === input ? Effect.void : new RunError.RunConflict({ runId: id, differs: "input" })

    const execution = (id: RunId, { live }: Executions.Obtained<O, Failing>): Execution<O, E> => ({
      id,
      await: Deferred.await(live.ended)
    })

    // --- what is known of a run

    const own = (id: RunId) =>
      Effect.gen(function* () {
        const snapshot = yield* engine.get(id)
        const { fingerprint: given, name } = description
        if (snapshot.dag !== name) return yield* new RunError.UnknownRun({ runId: id })
        const { fingerprint: stored } = snapshot
        if (stored !== given) return yield* new RunError.DagChanged({ runId: id, dag: name, stored, given })
        return snapshot
      })

    // --- from the input to the outputs

    /** Until it has ended here, or goes on elsewhere. */
    const leg = <E2>(
      request: Executions.Request,
      begin: Effect.Effect<Effect.Effect<O, Failing>, E2>,
      isChild: boolean
    ) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const obtained = yield* executions.obtain(request, begin, restore)
          yield* Effect.mapError(conflict(request, obtained), (error) => failed(request.id, "notStarted", error))
          const { ended, fiber } = obtained.live
          return yield* Effect.onInterrupt(restore(Deferred.await(ended)), () =>
            isChild || !obtained.isMine ? Effect.void : Fiber.interrupt(fiber)
          )
        })
      )

    /** Looks now and then, until the run no longer waits. */
    const untilDue = (id: RunId): Effect.Effect<void, OrchestrationFailed> =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const before = yield* engine.get(id)
        const left = before.status === "suspended" && before.until !== undefined ? before.until - now : Infinity
        if (left <= 0) return
        yield* Effect.sleep(Duration.min(poll, Duration.millis(left)))
        const { status, until } = yield* engine.get(id)
        const isDue = until !== undefined && until <= (yield* Clock.currentTimeMillis)
        if (status === "suspended" && !isDue) yield* untilDue(id)
      }).pipe(
        Effect.catchTags({
          UnknownRun: (error) => failed(id, "notStarted", error),
          StoreError: (error) => failed(id, "notStarted", error)
        })
      )

    const outputs = (input: I, request: Executions.Request, attempt: Option.Option<Attempt>) => {
      const { id } = request
      const isChild = Option.isSome(attempt)
      const begin: Effect.Effect<Effect.Effect<O, Failing>, OrchestrationFailed> = Effect.mapError(
        started(id, input, options.run),
        (error) => failed(id, "notStarted", error)
      )
      /** What has ended without its outputs goes on when its parent does. */
      const beginChild = Effect.matchEffect(engine.get(id), {
        onFailure: () => begin,
        onSuccess: ({ status }) =>
          isEnded(status) && isResumable(status) ? Effect.succeed(resumed(id, options.run)) : begin
      })
      const legs = (first: typeof begin, isPatient: boolean): Effect.Effect<O, Failing | OrchestratorFull> =>
        Effect.catchAllCause(leg({ ...request, isPatient }, first, isChild), (cause) =>
          // a child that is cut off alone: its orchestrator or the engine closes, and so will its parent be
          isElsewhere(id, cause) || (isChild && Cause.isInterruptedOnly(cause))
            ? Effect.zipRight(untilDue(id), legs(begin, true))
            : Effect.failCause(cause)
        )
      const stored = Effect.mapErrorCause(legs(isChild ? beginChild : begin, false), (cause) =>
        Cause.map(cause, (error) => {
          const reason = reasonOf(id, error)
          // `reasonOf` tells the ends of this run from all other errors
          return reason === undefined
            ? (error as E | OrchestrationFailed | OrchestratorFull)
            : failed(id, reason, error as Error)
        })
      )
      if (!isChild) return stored
      return Effect.onInterrupt(stored, () =>
        Effect.flatMap(attempt.value.isCutOff, (isCutOff) => (isCutOff ? cutOff(id) : cancelChild(id)))
      )
    }

    const cutOff = (id: RunId) =>
      Effect.flatMap(executions.find(id), (live) =>
        Option.isNone(live) ? Effect.void : Fiber.interrupt(live.value.fiber)
      )

    const cancelChild = (id: RunId) =>
      Effect.catchAllCause(cancel(id), (cause) =>
        Option.exists(Cause.failureOption(cause), ({ _tag }) => _tag === "UnknownRun")
          ? Effect.void
          : Effect.logWarning(`the child run "${id}" of "${node}" could not be cancelled`, cause).pipe(
              Effect.annotateLogs({ package: "heddle", module: "OrchestratorNode" })
            )
      )

    const cancel = (id: RunId) =>
      Effect.gen(function* () {
        yield* own(id)
        const live = yield* executions.find(id)
        yield* outside(engine.cancel<O, I, E, R>(dag, id))
        if (Option.isSome(live)) yield* Fiber.await(live.value.fiber)
      })

    const service: Orchestrator<O, I, E> = {
      process: (input, { runId } = {}) =>
        Effect.gen(function* () {
          const attempt = yield* Effect.serviceOption(CurrentModule)
          const text = yield* encode(input)
          const child = Option.map(attempt, (attempt) => ChildRun.idOf(attempt, node))
          const id = runId ?? (Option.isSome(child) ? child.value : yield* randomId)
          return yield* outputs(input, { id, input: text, isPatient: false }, attempt)
        }),
      start: (input, { runId, ...others } = {}) =>
        Effect.gen(function* () {
          const request = { id: runId ?? (yield* randomId), input: yield* encode(input), isPatient: false }
          const begin = started(request.id, input, { ...options.run, ...others })
          const obtained = yield* Effect.uninterruptibleMask((restore) => executions.obtain(request, begin, restore))
          yield* conflict(request, obtained)
          return execution(request.id, obtained)
        }),
      resume: (id, others) =>
        Effect.gen(function* () {
          yield* own(id)
          const request = { id, input: yield* encode(yield* read(StoredResult.input(dag, id))), isPatient: false }
          const begin = Effect.succeed(resumed(id, { ...options.run, ...others }))
          return execution(
            id,
            yield* Effect.uninterruptibleMask((restore) => executions.obtain(request, begin, restore))
          )
        }),
      await: (id) =>
        Effect.gen(function* () {
          const live = yield* executions.find(id)
          if (Option.isSome(live)) return yield* Deferred.await(live.value.ended)
          const stored = yield* read(StoredResult.outputs(dag, id))
          return Option.isSome(stored) ? stored.value : yield* new NotActive({ node, runId: id })
        }),
      active: executions.active,
      changes: executions.changes,
      progress: (id) => Effect.map(own(id), (snapshot) => progressOf(description, snapshot)),
      context: (id) =>
        Effect.map(read(StoredResult.values(dag, id)), (values) => stepValues(node, description, values)),
      cancel
    }
    return service
  })

const progressOf = ({ steps }: DagDescription.DagDescription, snapshot: RunSnapshot.RunSnapshot): Progress => {
  const lists: { readonly [S in Exclude<keyof Progress, "id" | "status">]: Array<string> } = {
    pending: [],
    running: [],
    suspended: [],
    completed: [],
    failed: [],
    skipped: [],
    cancelled: []
  }
  for (const step of steps.keys()) {
    const { status } = RunSnapshot.module(snapshot, step)
    lists[status === "scheduled" ? "pending" : status].push(step)
  }
  return { id: snapshot.runId, status: snapshot.status, ...lists }
}

const stepValues = (
  node: string,
  { steps }: DagDescription.DagDescription,
  given: ReadonlyMap<string, unknown>
): StepValues => {
  const completed = new Map(Array.from(given).filter(([step]) => steps.has(step)))
  for (const [step, value] of completed) {
    const definition = steps.get(step)
    // what a function gave may be anybody's
    if (definition?.kind === "pure" && definition.output === undefined) continue
    Frozen.deep(value)
  }
  return Object.freeze({
    values: Object.freeze(Object.fromEntries(completed)),
    get: <M extends Module.Any>({ definition, name }: M) => {
      if (steps.get(name) !== definition) throw new Error(`"${name}" is no step of the Dag of "${node}"`)
      // the step of this name is this very module
      return completed.has(name) ? Option.some(completed.get(name) as never) : Option.none()
    }
  })
}
