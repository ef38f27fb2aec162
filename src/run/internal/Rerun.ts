import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import { UnknownModule } from "../../model/RunError.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { StoreError } from "../../model/StoreError.js"
import type { Plan } from "../../plan/Plan.js"
import type { Seed } from "../../state/RunLease.js"
import type { Source } from "./Recall.js"
import * as Seeding from "./Seeding.js"

/** The positions of these modules and of all that depends on them, along needs and branches. */
const downstream = (plan: Plan, names: ReadonlyArray<string>): Effect.Effect<Uint8Array, UnknownModule> =>
  Effect.suspend(() => {
    const reached = new Uint8Array(plan.modules.length)
    const stack: Array<number> = []
    for (const name of names) {
      const index = plan.index.get(name)
      if (index === undefined) return new UnknownModule({ dag: plan.dag, module: name })
      stack.push(index)
    }
    for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
      if (reached[index] === 1) continue
      reached[index] = 1
      for (let d = plan.dependantsFrom[index]!; d < plan.dependantsFrom[index + 1]!; d++)
        stack.push(plan.dependants[d]!)
    }
    return Effect.succeed(reached)
  })

/** What a new run takes over of a stored one: every module that completed and is not downstream of the named ones. */
export const seed = (
  plan: Plan,
  names: ReadonlyArray<string>,
  { snapshot, ...source }: Source,
  at: number
): Effect.Effect<Seed, UnknownModule | StoreError> =>
  Effect.flatMap(downstream(plan, names), (again) => {
    const kept = new Set(
      plan.modules.flatMap(({ name }, index) =>
        again[index] === 0 && RunSnapshot.module(snapshot, name).status === "completed" ? [name] : []
      )
    )
    // with what is inside of them, however that ended
    const modules = Array.from(snapshot.modules).filter(([path]) => kept.has(path.split("/", 1)[0]!))
    return Seeding.make({ modules, isTaken: () => true, shared: HashMap.empty() }, source, at)
  })
