import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Dag from "../../dag/Dag.js"
import { DagChanged, RunConflict, RunFinished, UnknownRun } from "../../model/RunError.js"
import { RunId } from "../../model/RunId.js"
import type { Durability, RunPolicy } from "../../model/RunPolicy.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import * as Telemetry from "../../model/Telemetry.js"
import * as Plan from "../../plan/Plan.js"
import { RunLease, type Held } from "../../state/RunLease.js"
import { StateWriter } from "../../state/StateWriter.js"
import { Timeline, type StoredRun } from "../../state/Timeline.js"
import type { RunOptions } from "../RunOptions.js"
import type { Claim } from "../../state/Update.js"
import * as Driver from "./Driver.js"
import * as Inputs from "./Inputs.js"
import * as Recall from "./Recall.js"
import * as Results from "./Results.js"

/** A run that this process drives, or is about to: what another call for the same id is compared with. */
interface LiveRun {
  readonly plan: Plan.Plan
  readonly input: string
  readonly handle: Driver.ErasedHandle
  readonly isCutOff: () => boolean
}

/** How a call came by its handle. `driver` is the fiber that it began itself, `live` what others may attach to. */
interface Obtained {
  readonly handle: Driver.ErasedHandle
  readonly driver?: Fiber.Fiber<unknown, unknown>
  readonly live?: LiveRun
}

/** None when the call that entered it did not begin the run. */
type Entry = Deferred.Deferred<Option.Option<LiveRun>>

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

interface Begin {
  readonly plan: Plan.Plan
  readonly input: string
  readonly snapshot: RunSnapshot.RunSnapshot
  readonly values: Array<unknown>
  readonly causes: Results.Causes
  readonly policy: RunPolicy
  readonly entry: Entry
  readonly held: Held | undefined
}

/** How long the end of a driver waits for a store that does not answer. */
const patience = Duration.seconds(10)

/**
 * The engine: the runs of this process by id. An id is entered before anything is asked of the store, so that of
 * simultaneous calls for one id one begins the run and the others get what it began.
 *
 * The types of a Dag's outputs, errors and requirements are erased here; `Engine` gives them back.
 */
export const make = Effect.fnUntraced(function* (engine: { readonly durability: Durability }) {
  const writer = yield* StateWriter
  const lease = yield* RunLease
  const timeline = yield* Timeline
  // closing interrupts the runs all at once: their finalizers do not wait for each other
  const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.parallel)
  const entries = yield* Ref.make(HashMap.empty<RunId, Entry>())

  const remove = (runId: RunId, entry: Entry) =>
    Ref.update(entries, (map) => {
      const left = Option.contains(HashMap.get(map, runId), entry) ? HashMap.remove(map, runId) : map
      Telemetry.runsActive.unsafeUpdate(HashMap.size(left), [])
      return left
    })

  /** The live run of an id, through `attach`, or what `begin` makes of it. When another call fails to, this one tries. */
  const obtain = <E, E2>(
    runId: RunId,
    restore: Restore,
    attach: (live: LiveRun) => Effect.Effect<Obtained, E>,
    begin: (entry: Entry) => Effect.Effect<Obtained, E2, unknown>
  ): Effect.Effect<Obtained, E | E2, unknown> =>
    Effect.gen(function* () {
      const mine = yield* Deferred.make<Option.Option<LiveRun>>()
      const other = yield* Ref.modify(entries, (map) => {
        const found = HashMap.get(map, runId)
        return [found, Option.isSome(found) ? map : HashMap.set(map, runId, mine)]
      })
      if (Option.isSome(other)) {
        const live = yield* restore(Deferred.await(other.value))
        // a run that is being cut off is over for its callers: who comes now waits for that and takes it over
        if (Option.isSome(live) && !live.value.isCutOff()) return yield* attach(live.value)
        if (Option.isSome(live)) yield* restore(Effect.exit(live.value.handle.await))
        return yield* obtain(runId, restore, attach, begin)
      }
      const begun = yield* Effect.exit(begin(mine))
      const live = Exit.isSuccess(begun) ? Option.fromNullable(begun.value.live) : Option.none()
      if (Option.isNone(live)) yield* remove(runId, mine)
      yield* Deferred.succeed(mine, live)
      return yield* begun
    })

  /** Writes what is queued, then lets go of the run: for a limited time, so that a store that hangs holds up nobody. */
  const letGo = (claim: Claim) =>
    Effect.zipRight(writer.flush, lease.release(claim)).pipe(
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeoutOption(patience),
      Effect.flatMap(
        Option.match({
          onNone: () =>
            Effect.zipRight(
              lease.forget(claim),
              Effect.logWarning(`run "${claim.runId}" was not let go of in time: its heartbeat has to expire`)
            ).pipe(Effect.annotateLogs({ package: "heddle", module: "Engine", fiber: "driver" })),
          onSome: () => Effect.void
        })
      )
    )

  const drive = ({ entry, held, input, ...run }: Begin): Effect.Effect<Obtained, never, unknown> =>
    Effect.gen(function* () {
      const { runId } = run.snapshot
      const removed = remove(runId, entry)
      const { fiber, handle, isCutOff, lost } = yield* Driver.start({
        ...run,
        claim: held?.claim,
        writer,
        scope,
        onEnd: held === undefined ? removed : Effect.ensuring(letGo(held.claim), removed)
      })
      if (held !== undefined) yield* lease.watch(held.claim, lost)
      Telemetry.runsActive.unsafeUpdate(HashMap.size(yield* Ref.get(entries)), [])
      return { handle, driver: fiber, live: { plan: run.plan, input, handle, isCutOff } }
    })

  const fresh = (
    begin: Omit<Begin, "snapshot" | "values" | "causes">,
    runId: RunId,
    inputs: Inputs.Inputs,
    startedAt: number
  ) => {
    const { dag, fingerprint, modules } = begin.plan
    const values = new Array<unknown>(modules.length)
    for (const [index, value] of inputs.values) values[index] = value
    const snapshot = RunSnapshot.make({ runId, dag, fingerprint, total: modules.length, startedAt })
    return drive({ ...begin, snapshot, values, causes: new Map() })
  }

  /** Claims a run that was cut off and drives it on; undefined when it has ended meanwhile. */
  const takeOver = (plan: Plan.Plan, runId: RunId, options: RunOptions, entry: Entry, restore: Restore) =>
    Effect.gen(function* () {
      const claimed = yield* lease.claim(runId)
      if (claimed._tag === "Gone") return undefined
      const { held } = claimed
      return yield* Effect.gen(function* () {
        const stored = yield* timeline.get(runId)
        if (Option.isNone(stored)) return yield* Effect.dieMessage(`run "${runId}" was claimed and is not stored`)
        const { input, policy, snapshot } = stored.value
        const values = yield* restore(recall(plan, stored.value))
        const causes = yield* restore(Results.storedCauses(plan, snapshot))
        return yield* drive({ plan, input, snapshot, values, causes, policy: policyOf(options, policy), entry, held })
      }).pipe(Effect.onError(() => lease.release(held.claim)))
    })

  const recall = (plan: Plan.Plan, { input, snapshot }: StoredRun) => {
    const { runId } = snapshot
    return Effect.flatMap(Inputs.decode(plan, runId, input), (inputs) =>
      Recall.values(plan, {
        runId,
        inputs,
        statusOf: (index) => RunSnapshot.module(snapshot, plan.modules[index]!.name).status,
        outputs: (names) => timeline.outputs(runId, names)
      })
    )
  }

  /** The handle of a run that has ended: its result is read from the store. */
  const stored = (plan: Plan.Plan, run: StoredRun) =>
    Effect.gen(function* () {
      const { snapshot } = run
      const result =
        snapshot.status === "completed"
          ? Results.outputs(plan, yield* recall(plan, run))
          : Results.ended(plan, snapshot, yield* Results.storedCauses(plan, snapshot))
      return {
        handle: {
          id: snapshot.runId,
          await: result,
          snapshot: Effect.succeed(snapshot),
          changes: Stream.make(snapshot),
          cancel: Effect.void
        }
      }
    })

  const start = (dag: Dag.Any, given: unknown, options: RunOptions, restore: Restore) =>
    Effect.gen(function* () {
      yield* checkOptions(options)
      const plan = yield* Plan.make(dag)
      const inputs = yield* restore(Inputs.encode(plan, given))
      const runId = options.runId ?? (yield* randomId)
      const input = inputs.text
      const { dag: name, fingerprint, modules } = plan
      const conflict = (run: { readonly fingerprint: string; readonly input: string }) =>
        run.fingerprint !== fingerprint
          ? new RunConflict({ runId, differs: "dag" })
          : run.input !== input
            ? new RunConflict({ runId, differs: "input" })
            : Effect.void

      const policy = policyOf(options, { concurrency: "unbounded", onFailure: "failFast", ...engine })
      const begin = (entry: Entry) =>
        Effect.gen(function* () {
          const startedAt = yield* Clock.currentTimeMillis
          const run = { plan, input, policy, entry }
          if (policy.durability === "memory") return yield* fresh({ ...run, held: undefined }, runId, inputs, startedAt)
          const opened = yield* lease.open({
            runId,
            dag: name,
            fingerprint,
            total: modules.length,
            input,
            policy: JSON.stringify(policy)
          })
          if (opened._tag === "Created") return yield* fresh({ ...run, held: opened.held }, runId, inputs, startedAt)
          yield* conflict(opened.run)
          const cutOff = opened.run.status === "running"
          const driven = cutOff ? yield* takeOver(plan, runId, options, entry, restore) : undefined
          if (driven !== undefined) return driven
          const ended = yield* timeline.get(runId)
          return yield* restore(stored(plan, Option.getOrThrow(ended)))
        })
      return yield* obtain(
        runId,
        restore,
        (live) =>
          Effect.as(conflict({ fingerprint: live.plan.fingerprint, input: live.input }), { handle: live.handle }),
        begin
      )
    })

  const resume = (dag: Dag.Any, runId: RunId, options: RunOptions, restore: Restore) =>
    Effect.gen(function* () {
      yield* checkOptions(options)
      const plan = yield* Plan.make(dag)
      const unchanged = (run: { readonly dag: string; readonly fingerprint: string }) =>
        run.fingerprint === plan.fingerprint
          ? Effect.void
          : new DagChanged({ runId, dag: plan.dag, stored: run.fingerprint, given: plan.fingerprint })
      return yield* obtain(
        runId,
        restore,
        (live) => Effect.as(unchanged(live.plan), { handle: live.handle }),
        (entry) =>
          Effect.gen(function* () {
            const check = Effect.gen(function* () {
              const run = yield* Effect.flatMap(
                timeline.get(runId),
                Option.match({
                  onNone: () => new UnknownRun({ runId }),
                  onSome: ({ snapshot }) => Effect.succeed(snapshot)
                })
              )
              if (run.status !== "running") return yield* new RunFinished({ runId, status: run.status })
              yield* unchanged(run)
            })
            yield* check
            const driven = yield* takeOver(plan, runId, options, entry, restore)
            if (driven !== undefined) return driven
            // it ended between the two looks at it: the second says how
            yield* check
            return yield* Effect.dieMessage(`run "${runId}" is neither unfinished nor finished`)
          })
      )
    })

  /** Waits for a run; when this is interrupted, so is the driver that this call began. */
  const awaited = ({ driver, handle }: Obtained, restore: Restore) =>
    Effect.onInterrupt(restore(handle.await), () => (driver === undefined ? Effect.void : Fiber.interrupt(driver)))

  return {
    start: (dag: Dag.Any, input: unknown, options: RunOptions = {}) =>
      Effect.uninterruptibleMask((restore) => Effect.map(start(dag, input, options, restore), ({ handle }) => handle)),
    execute: (dag: Dag.Any, input: unknown, options: RunOptions = {}) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(start(dag, input, options, restore), (obtained) => awaited(obtained, restore))
      ),
    resume: (dag: Dag.Any, runId: RunId, options: RunOptions = {}) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(resume(dag, runId, options, restore), (obtained) => awaited(obtained, restore))
      ),
    get: (runId: RunId) =>
      Effect.gen(function* () {
        const entry = HashMap.get(yield* Ref.get(entries), runId)
        const live = Option.isSome(entry) ? yield* Deferred.await(entry.value) : Option.none()
        if (Option.isSome(live)) return yield* live.value.handle.snapshot
        const run = yield* timeline.get(runId)
        return Option.isSome(run) ? run.value.snapshot : yield* new UnknownRun({ runId })
      }),
    list: timeline.list
  }
})

const policyOf = (options: RunOptions, base: RunPolicy): RunPolicy => ({
  concurrency: options.concurrency ?? base.concurrency,
  onFailure: options.onFailure ?? base.onFailure,
  durability: options.durability ?? base.durability
})

const checkOptions = ({ concurrency = 1 }: RunOptions) =>
  concurrency === "unbounded" || (Number.isInteger(concurrency) && concurrency >= 1)
    ? Effect.void
    : Effect.die(new Cause.IllegalArgumentException(`concurrency is a whole number of at least 1, not ${concurrency}`))

const randomId = Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32), 4), (parts) =>
  RunId.make(parts.map((part) => part.toString(16).padStart(8, "0")).join(""))
)
