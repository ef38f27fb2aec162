/**
 * Which Dags an engine may begin to run.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { FlowRefused } from "../model/FlowError.js"
import type { StoreError } from "../model/StoreError.js"

/**
 * What an engine asks before it begins a run, where there is somebody to ask: a `FlowRegistry` is one. An engine looks for
 * it when its Layer is built; without one it runs every Dag.
 *
 * Asked is whoever begins a run: `start`, `execute`, `stream`, `submit`, `rerun` and `fork`, and the orchestrators whose
 * runs are begun so; also for a run that is not stored. A call for a run that is there already begins none, and is never
 * refused, and neither is what goes on with a run: resumes, recoveries, signals, cancellations. The run stays what it was
 * begun as, whatever becomes of its flow and whichever versions there are by then.
 *
 * A child Dag is a part of its parent, whose fingerprint has it: nobody is asked about it.
 *
 * @since 0.1.0
 * @category services
 */
export class FlowAdmission extends Context.Tag("heddle/run/FlowAdmission")<
  FlowAdmission,
  {
    /**
     * The version of the flow as which this Dag may be run, the highest of those that are active. Nothing is kept: each
     * call says what holds at that moment.
     */
    readonly admit: (dag: {
      readonly dag: string
      readonly fingerprint: string
    }) => Effect.Effect<string, FlowRefused | StoreError>

    /** The version of the flow that this Dag is, the highest, whatever its status; undefined where it is not registered. */
    readonly versionOf: (fingerprint: string) => Effect.Effect<string | undefined, StoreError>
  }
>() {}
