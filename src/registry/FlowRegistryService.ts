/**
 * What a registry of flows does: the service behind `FlowRegistry`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type * as Dag from "../dag/Dag.js"
import type { Flow, FlowStatus, Tools } from "../model/Flow.js"
import type {
  FlowConflict,
  FlowDiffers,
  FlowInvalid,
  StatusNotAllowed,
  UnknownFlow,
  UnknownTool
} from "../model/FlowError.js"
import type { StoreError } from "../model/StoreError.js"
import type { PlanInvalid } from "../plan/Plan.js"

/**
 * Who makes a change, and why: for the audit trail. `actor` is that of the registry's options where it is left out, and
 * `reason` empty.
 *
 * @since 0.1.0
 * @category options
 */
export interface By {
  readonly actor?: string | undefined
  readonly reason?: string | undefined
}

/**
 * For which revision a change is made: it is refused with `FlowConflict` when the flow has another one by then.
 *
 * @since 0.1.0
 * @category options
 */
export interface Revised extends By {
  readonly revision?: number | undefined
}

/**
 * - `version`: that of the flow; the Dag's own where it is left out, which has to be a version then
 * - `status`: the first (`active`); `lifecycle`, `governance`: notes for people (empty)
 *
 * @since 0.1.0
 * @category options
 */
export interface Registration extends By {
  readonly version?: string | undefined
  readonly status?: FlowStatus | undefined
  readonly lifecycle?: string | undefined
  readonly governance?: string | undefined
}

/**
 * Which flows to list.
 *
 * - `tool`: those that have this tool
 *
 * @since 0.1.0
 * @category options
 */
export interface FlowFilter {
  readonly name?: string | undefined
  readonly status?: FlowStatus | undefined
  readonly fingerprint?: string | undefined
  readonly tool?: string | undefined
}

/**
 * A change of one flow, as the audit trail has it. `flow` is what it became, undefined when it was removed; `at` is in
 * milliseconds since the epoch, and `position` says the order.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuditEntry {
  readonly position: number
  readonly name: string
  readonly version: string
  readonly revision: number
  readonly at: number
  readonly actor: string
  readonly reason: string
  readonly action:
    "register" | "updateFlowState" | "setFlowStatus" | "acceptDrift" | "reportDrift" | "annotate" | "remove"
  readonly flow: Flow | undefined
}

/**
 * Which changes to read: of one flow, of one version of it, those after a position.
 *
 * @since 0.1.0
 * @category options
 */
export interface AuditFilter {
  readonly name?: string | undefined
  readonly version?: string | undefined
  readonly after?: number | undefined
}

/**
 * What a stream of changes tells: a flow as it is from now on, or that it was removed.
 *
 * @since 0.1.0
 * @category models
 */
export type FlowChange =
  | { readonly _tag: "Present"; readonly flow: Flow }
  | { readonly _tag: "Removed"; readonly name: string; readonly version: string; readonly revision: number }

/**
 * Owns the state of flows: whoever wants to change one asks, and is given the new value. What anybody holds already never
 * changes: ask again for what is there now. Every value is frozen at every depth.
 *
 * A change is in the store before anybody sees it, and every answer is what the store had at that moment: several
 * registries over one store, in one process or in several, agree. A change without `revision` is made of what is there
 * then, and again when somebody was faster, so that none is lost, but for `updateFlowState`, which replaces: that is a
 * `FlowConflict`. A change that would change nothing is none: the flow keeps its revision.
 *
 * All methods that change something fail with a `StoreError` when the store fails: then the change took place or not, as
 * its `reason` says.
 *
 * **Interruption**: a change took place or not; nothing is left in between.
 *
 * @since 0.1.0
 * @category services
 */
export class FlowRegistry extends Context.Tag("heddle/registry/FlowRegistry")<
  FlowRegistry,
  {
    /**
     * Registers a version of a Dag, and gives it. The same again changes nothing and gives what is there, whatever its
     * status, notes and accepted tools are by now. `FlowDiffers`: the version is registered with something else.
     */
    readonly register: (
      dag: Dag.Any,
      options?: Registration
    ) => Effect.Effect<Flow, PlanInvalid | FlowInvalid | FlowDiffers | StoreError>

    /**
     * Registers several, or none of them: one transition of the registry. Each flow may be there once. Those that are
     * registered already are given as they were when they were looked at.
     */
    readonly registerAll: (
      flows: ReadonlyArray<{ readonly dag: Dag.Any } & Omit<Registration, keyof By>>,
      by?: By
    ) => Effect.Effect<ReadonlyArray<Flow>, PlanInvalid | FlowInvalid | FlowDiffers | StoreError>

    /**
     * A version of a flow; without `version` the latest: the highest that is no pre-release, or the highest when there are
     * only those.
     */
    readonly get: (name: string, version?: string) => Effect.Effect<Flow, UnknownFlow | FlowInvalid | StoreError>

    /** By name, and by version, the highest first. */
    readonly list: (filter?: FlowFilter) => Effect.Effect<ReadonlyArray<Flow>, FlowInvalid | StoreError>

    /** The versions of a flow, the highest first; none where there is no such flow. */
    readonly versions: (name: string) => Effect.Effect<ReadonlyArray<string>, FlowInvalid | StoreError>

    /**
     * Its audit trail stays, and its revisions go on when it is registered again. Gives what it was: undefined where that
     * could not be read. Such a flow makes what reads all of them fail, and this is the way out; but one that a later
     * release has written is left to that, with a `StoreError` (`newer`).
     */
    readonly remove: (
      name: string,
      options: { readonly version: string } & Revised
    ) => Effect.Effect<Flow | undefined, UnknownFlow | FlowInvalid | FlowConflict | StoreError>

    /**
     * Sets the status, and the hashes of tools: of those whose hash is another one than before only the hash is known from
     * then on, unless that is its drift. Tools that are not named stay as they are; those that are have no drift any more.
     */
    readonly updateFlowState: (
      name: string,
      update: {
        readonly version: string
        readonly status: FlowStatus
        readonly toolSchemaHashes: { readonly [tool: string]: string }
      } & Revised
    ) => Effect.Effect<Flow, UnknownFlow | FlowInvalid | FlowConflict | StatusNotAllowed | UnknownTool | StoreError>

    readonly setFlowStatus: (
      name: string,
      update: { readonly version: string; readonly status: FlowStatus } & Revised
    ) => Effect.Effect<Flow, UnknownFlow | FlowInvalid | FlowConflict | StatusNotAllowed | StoreError>

    /**
     * Takes what tools were found to take and give as what they should: of all that have drift, or of those named. When
     * none has drift any more, a flow that needs review is active; one that is disabled stays so. Of a tool without drift
     * there is nothing to accept.
     */
    readonly acceptDrift: (
      name: string,
      options: { readonly version: string; readonly tools?: ReadonlyArray<string> | undefined } & Revised
    ) => Effect.Effect<Flow, UnknownFlow | FlowInvalid | FlowConflict | UnknownTool | StoreError>

    /**
     * Says what tools take and give now: nodes of every flow that calls them, and modules of the flow `flow`, since a path
     * means something only inside its own flow. Modules without `flow` are `FlowInvalid`, which names them.
     *
     * Each version that one of them concerns, and that has something else accepted for it, has that as its drift from then
     * on and, when it is active, needs review. Drift that is as accepted again is drift no more; tools that a version does
     * not have are nothing to it. Gives the flows that have changed: in one transition, and in further ones where flows
     * were registered, or had something else accepted, meanwhile.
     */
    readonly reportDrift: (
      tools: Tools,
      options?: By & { readonly flow?: string | undefined }
    ) => Effect.Effect<ReadonlyArray<Flow>, FlowInvalid | StoreError>

    /** Sets notes; those that are left out stay as they are. */
    readonly annotate: (
      name: string,
      notes: {
        readonly version: string
        readonly lifecycle?: string | undefined
        readonly governance?: string | undefined
      } & Revised
    ) => Effect.Effect<Flow, UnknownFlow | FlowInvalid | FlowConflict | StoreError>

    /**
     * All flows as they are when the stream begins, then every change by anyone, in order, none of them twice: those of
     * this registry at once, those of others within `poll`.
     */
    readonly changes: Stream.Stream<FlowChange, StoreError>

    /** Every change that ever was, or those of one flow or version, in order, read page by page. */
    readonly audit: (filter?: AuditFilter) => Stream.Stream<AuditEntry, FlowInvalid | StoreError>
  }
>() {}
