/**
 * Stateful, resumable DAG workflows for Effect.
 *
 * @since 0.1.0
 */

/** A typed graph of modules. */
export * as Dag from "./dag/Dag.js"
/** The vertices of a Dag. */
export * as Module from "./dag/Module.js"
/** What a Dag knows of a node. */
export * as Node from "./dag/Node.js"
/** State that the modules of a run share. */
export * as Shared from "./dag/Shared.js"
/** Registered versions of a Dag. */
export * as Flow from "./model/Flow.js"
/** The errors of registering, changing and running flows. */
export * as FlowError from "./model/FlowError.js"
/** Ready-made compositions of engine, writer and store. */
export * as Heddle from "./Heddle.js"
/** The statuses of a module, and their order. */
export * as ModuleStatus from "./model/ModuleStatus.js"
/** The errors of starting, driving and resuming runs. */
export * as RunError from "./model/RunError.js"
/** The name of a run. */
export { RunId } from "./model/RunId.js"
/** How a needed module ended that neither completed nor failed. */
export { Cancelled, Skipped } from "./model/Ending.js"
/** The errors that nodes of all kinds have in common. */
export * as NodeError from "./model/NodeError.js"
/** What the engine itself fails a module with. */
export * as ModuleError from "./model/ModuleError.js"
/** What a module's failure is to others when it declared no `error` schema. */
export { Failed } from "./model/Failed.js"
/** The error of an attempt that took too long. */
export { ModuleTimedOut } from "./model/ModuleTimedOut.js"
/** The error of every store. */
export { StoreError } from "./model/StoreError.js"
/** What is known of a run at one moment. */
export * as RunSnapshot from "./model/RunSnapshot.js"
/** The metrics. */
export * as Telemetry from "./model/Telemetry.js"
/** One change of status. */
export * as Transition from "./model/Transition.js"
/** Keeps calls away from what is failing. */
export * as CircuitBreaker from "./node/CircuitBreaker.js"
/** Nodes that compute. */
export * as ComputeNode from "./node/ComputeNode.js"
/** Nodes that do something outside. */
export * as EffectNode from "./node/EffectNode.js"
/** State machines. */
export * as Machine from "./node/Machine.js"
/** Nodes that run a Dag. */
export * as OrchestratorNode from "./node/OrchestratorNode.js"
/** Nodes that are state machines. */
export * as ReducerNode from "./node/ReducerNode.js"
/** A Dag as a picture. */
export * as Diagram from "./plan/Diagram.js"
/** A Dag compiled to dense arrays. */
export * as Plan from "./plan/Plan.js"
/** What differs between a registered flow and a Dag. */
export * as Drift from "./registry/Drift.js"
/** Owns the state of flows. */
export * as FlowRegistry from "./registry/FlowRegistry.js"
/** Finds what breaks the rules of state. */
export * as DebugGuard from "./run/DebugGuard.js"
/** Runs Dags. */
export * as Engine from "./run/Engine.js"
/** Which Dags an engine may begin to run. */
export * as FlowAdmission from "./run/FlowAdmission.js"
/** What becomes of a run that is moved to another version of its Dag. */
export * as Migration from "./run/Migration.js"
/** What a module may call while it runs. */
export * as Run from "./run/Run.js"
/** The progress of a run on a terminal or in a log. */
export * as Progress from "./run/Progress.js"
/** Who may use a resource now. */
export * as Lease from "./state/Lease.js"
/** State that is what its events have made of it. */
export * as Aggregate from "./state/Aggregate.js"
/** Time travel over aggregates. */
export * as AggregateTimeline from "./state/AggregateTimeline.js"
/** How long runs that have ended are kept. */
export * as Retention from "./state/Retention.js"
/** Who drives a run. */
export * as RunLease from "./state/RunLease.js"
/** Typed values in a store of state. */
export * as SchemaStore from "./state/SchemaStore.js"
/** What runs are told from outside. */
export * as Signals from "./state/Signals.js"
/** The queue and the one fiber behind it that write what runs did. */
export * as StateWriter from "./state/StateWriter.js"
/** What is stored of runs, for those who read. */
export * as Timeline from "./state/Timeline.js"
/** The port behind which flows are kept. */
export * as FlowStore from "./store/FlowStore.js"
/** The port behind which leases are kept. */
export * as LeaseStore from "./store/LeaseStore.js"
/** The port behind which events are kept. */
export * as EventStore from "./store/EventStore.js"
/** The port behind which runs are kept. */
export * as RunStore from "./store/RunStore.js"
/** The port behind which state is kept by key. */
export * as StateStore from "./store/StateStore.js"
