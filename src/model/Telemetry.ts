/**
 * Every metric of Heddle, in one place: what is not here is not measured. `docs/telemetry.md` lists them for readers.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import type { ModuleStatus } from "./ModuleStatus.js"
import type { RunStatus } from "./Transition.js"

// the label is part of the key from the start: `Metric.tagged` would join label arrays at every update
const labelled = (name: string, description: string, label: string, value: string): Metric.Metric.Counter<number> =>
  Metric.fromMetricKey(
    MetricKey.taggedWithLabels(MetricKey.counter(name, { description, incremental: true }), [
      MetricLabel.make(label, value)
    ])
  )

const runs = (status: Exclude<RunStatus, "running" | "suspended">) =>
  labelled("heddle_runs_finished_total", "runs that ended, by status", "status", status)

const modules = (status: Extract<ModuleStatus, "completed" | "failed" | "skipped" | "cancelled">) =>
  labelled("heddle_modules_finished_total", "modules that ended, by status", "status", status)

/**
 * @since 0.1.0
 * @category metrics
 */
export const runsStarted = Metric.counter("heddle_runs_started_total", {
  description: "runs that began to be driven, resumes included",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const runsActive = Metric.gauge("heddle_runs_active", { description: "runs that this process drives now" })

/**
 * @since 0.1.0
 * @category metrics
 */
export const runsFinished = {
  completed: runs("completed"),
  failed: runs("failed"),
  cancelled: runs("cancelled"),
  timedOut: runs("timedOut"),
  stopped: runs("stopped")
}

/**
 * Times that a run was put aside because all that was left of it waited.
 *
 * @since 0.1.0
 * @category metrics
 */
export const runsSuspended = Metric.counter("heddle_runs_suspended_total", {
  description: "times that a run was suspended",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const runsQuarantined = Metric.counter("heddle_runs_quarantined_total", {
  description: "runs that were quarantined: taken over too often without any progress",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const modulesFinished = {
  completed: modules("completed"),
  failed: modules("failed"),
  skipped: modules("skipped"),
  cancelled: modules("cancelled")
}

/**
 * @since 0.1.0
 * @category metrics
 */
export const moduleDuration = Metric.histogram(
  "heddle_module_duration_milliseconds",
  MetricBoundaries.exponential({ start: 1, factor: 4, count: 10 }),
  "from the start of the first attempt in this process to its end, of a module or an item that runs an Effect"
)

/**
 * @since 0.1.0
 * @category metrics
 */
export const writerDepth = Metric.gauge("heddle_writer_depth", {
  description: "updates that are queued and not yet in a batch"
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const writerBatches = Metric.counter("heddle_writer_batches_total", {
  description: "batches that were committed",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const writerUpdates = Metric.counter("heddle_writer_updates_total", {
  description: "updates that were committed",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const writerCoalesced = Metric.counter("heddle_writer_coalesced_total", {
  description: "updates that shared the module row of another update in their batch",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const writerRefused = Metric.counter("heddle_writer_refused_total", {
  description: "updates that were not written: stale epoch, failing store or closed writer",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const deadLetters = Metric.counter("heddle_dead_letters_total", {
  description: "dead letters that were kept of what could not be written",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const writerRetries = Metric.counter("heddle_writer_retries_total", {
  description: "batches that were tried again because the store was busy",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const writerCommitDuration = Metric.histogram(
  "heddle_writer_commit_milliseconds",
  MetricBoundaries.exponential({ start: 0.25, factor: 2, count: 12 }),
  "from the begin of a batch to the acknowledgement of the store, retries included"
)

const computeLookup = (result: "hit" | "joined" | "missed") =>
  labelled("heddle_compute_lookups_total", "lookups of the result cache, by what was there", "result", result)

/**
 * @since 0.1.0
 * @category metrics
 */
export const computeLookups = {
  hit: computeLookup("hit"),
  joined: computeLookup("joined"),
  missed: computeLookup("missed")
}

/**
 * @since 0.1.0
 * @category metrics
 */
export const computeEvictions = Metric.counter("heddle_compute_evictions_total", {
  description: "results that made room for others in the result cache",
  incremental: true
})

const computeStoreRead = (result: "found" | "absent" | "undecodable" | "failed") =>
  labelled("heddle_compute_store_reads_total", "reads of the result cache's store, by what came", "result", result)

/**
 * @since 0.1.0
 * @category metrics
 */
export const computeStoreReads = {
  found: computeStoreRead("found"),
  absent: computeStoreRead("absent"),
  undecodable: computeStoreRead("undecodable"),
  failed: computeStoreRead("failed")
}

/**
 * @since 0.1.0
 * @category metrics
 */
export const computeStoreWritesFailed = Metric.counter("heddle_compute_store_writes_failed_total", {
  description: "results that the result cache's store did not take",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const computeDuration = Metric.histogram(
  "heddle_compute_duration_milliseconds",
  MetricBoundaries.exponential({ start: 1, factor: 4, count: 10 }),
  "from the start of a computation of a compute node to its end, however it ends"
)

/**
 * @since 0.1.0
 * @category metrics
 */
export const workersLost = Metric.counter("heddle_workers_lost_total", {
  description: "worker threads that ended before their time: crashed, or stopped because their call was interrupted",
  incremental: true
})

const breakerCall = (outcome: "success" | "failure" | "neither" | "refused") =>
  labelled("heddle_breaker_calls_total", "calls through a circuit breaker, by outcome", "outcome", outcome)

/**
 * @since 0.1.0
 * @category metrics
 */
export const breakerCalls = {
  success: breakerCall("success"),
  failure: breakerCall("failure"),
  neither: breakerCall("neither"),
  refused: breakerCall("refused")
}

const breakerTransition = (to: "closed" | "open" | "halfOpen") =>
  labelled("heddle_breaker_transitions_total", "changes of a circuit breaker that this process made", "to", to)

/**
 * @since 0.1.0
 * @category metrics
 */
export const breakerTransitions = {
  Closed: breakerTransition("closed"),
  Open: breakerTransition("open"),
  HalfOpen: breakerTransition("halfOpen")
}

/**
 * @since 0.1.0
 * @category metrics
 */
export const breakerStoreFailures = Metric.counter("heddle_breaker_store_failures_total", {
  description: "times that a circuit breaker had to go on without its store",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const orchestrationsActive = Metric.gauge("heddle_orchestrations_active", {
  description: "executions of orchestrators that hold a place now"
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const orchestrationsWaiting = Metric.gauge("heddle_orchestrations_waiting", {
  description: "executions of orchestrators that wait for a place now"
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const reducerTransitions = Metric.counter("heddle_reducer_transitions_total", {
  description: "transitions of reducer nodes that took effect, timed ones included",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const reducerErrors = Metric.counter("heddle_reducer_errors_total", {
  description: "transitions of reducer nodes into a state of kind error",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const reducerRefusals = Metric.counter("heddle_reducer_refusals_total", {
  description: "events that a reducer node refused, or whose guard or action threw",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const reducerConflicts = Metric.counter("heddle_reducer_conflicts_total", {
  description: "times that a reducer node decided again, because somebody else had written the instance",
  incremental: true
})

const intent = (result: "completed" | "failed") =>
  labelled("heddle_reducer_intents_total", "intents of reducer nodes, by what became of them", "result", result)

/**
 * @since 0.1.0
 * @category metrics
 */
export const reducerIntents = { completed: intent("completed"), failed: intent("failed") }

/**
 * @since 0.1.0
 * @category metrics
 */
export const effectRetries = Metric.counter("heddle_effect_retries_total", {
  description: "attempts of effect nodes after the first of a call",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const effectTimeouts = Metric.counter("heddle_effect_timeouts_total", {
  description: "attempts of effect nodes that took too long",
  incremental: true
})

const compensation = (result: "done" | "failed") =>
  labelled("heddle_compensations_total", "compensations of transactions, by result", "result", result)

/**
 * @since 0.1.0
 * @category metrics
 */
export const compensations = {
  Success: compensation("done"),
  Failure: compensation("failed")
}
