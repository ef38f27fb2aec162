/**
 * What programs over Heddle, and stores for it, are tested with.
 *
 * @since 0.1.0
 */

/** Kills processes at every write, and checks what is left. */
export * as CrashExplorer from "./CrashExplorer.js"
/** What every store of events must do. */
export * as EventStoreContract from "./EventStoreContract.js"
/** A store of state that fails, is slow, hangs or dies where a test wants it to. */
export * as FaultyStateStore from "./FaultyStateStore.js"
/** A store of runs that fails, is slow, hangs or dies where a test wants it to. */
export * as FaultyStore from "./FaultyStore.js"
/** What every store of flows must do. */
export * as FlowStoreContract from "./FlowStoreContract.js"
/** What every store of leases must do. */
export * as LeaseStoreContract from "./LeaseStoreContract.js"
/** Whether what concurrent callers saw could have happened one call after the other. */
export * as Linearizability from "./Linearizability.js"
/** What every store of runs must do. */
export * as RunStoreContract from "./RunStoreContract.js"
/** Interleavings of fibers from a seed. */
export * as SeededScheduler from "./SeededScheduler.js"
/** What every store of state must do. */
export * as StateStoreContract from "./StateStoreContract.js"
