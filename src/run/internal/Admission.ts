import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FlowRefused } from "../../model/FlowError.js"
import type { StoreError } from "../../model/StoreError.js"
import type { Plan } from "../../plan/Plan.js"
import { FlowAdmission } from "../FlowAdmission.js"

/** Which Dags may begin to run. */
export interface Admission {
  /**
   * The version as which a run of this Dag begins. With `force` it may begin whatever the status of the flow.
   * `FlowRefused`: it may not begin, unless `exists` finds that there is nothing to begin: then it gives what it found.
   */
  readonly admit: <A>(
    plan: Plan,
    force: boolean | undefined,
    exists: Effect.Effect<Option.Option<A>, StoreError>
  ) => Effect.Effect<Admitted<A>, FlowRefused | StoreError>
}

export type Admitted<A> =
  { readonly _tag: "Admitted"; readonly version: string | undefined } | { readonly _tag: "Exists"; readonly found: A }

/** That of the engine's Layer, if there is one: else every Dag is run, as its own version. */
export const make: Effect.Effect<Admission> = Effect.map(Effect.serviceOption(FlowAdmission), (service) => {
  if (Option.isNone(service)) {
    return { admit: (plan) => Effect.succeed({ _tag: "Admitted", version: plan.version }) }
  }
  const { admit, versionOf } = service.value
  return {
    admit: (plan, force, exists) => {
      if (force === true) {
        return Effect.map(versionOf(plan.fingerprint), (version = plan.version) => ({ _tag: "Admitted", version }))
      }
      return admit({ dag: plan.dag, fingerprint: plan.fingerprint }).pipe(
        Effect.map((version) => ({ _tag: "Admitted", version }) as const),
        Effect.catchTag("FlowRefused", (refused) =>
          Effect.flatMap(
            exists,
            Option.match({
              onNone: () => Effect.fail(refused),
              onSome: (found) => Effect.succeed({ _tag: "Exists", found } as const)
            })
          )
        )
      )
    }
  }
})
