import * as Effect from "effect/Effect"
import { UnknownModule } from "../../model/RunError.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { StoreError } from "../../model/StoreError.js"
import type { Transition } from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"
import type { Seed } from "../../state/RunLease.js"
import type { ItemRow } from "../../state/Timeline.js"
import type { Source } from "./Recall.js"

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
  { items, outputs, snapshot }: Source,
  at: number
): Effect.Effect<Seed, UnknownModule | StoreError> =>
  Effect.gen(function* () {
    const again = yield* downstream(plan, names)
    const kept = new Set(
      plan.modules.flatMap(({ name }, index) =>
        again[index] === 0 && RunSnapshot.module(snapshot, name).status === "completed" ? [name] : []
      )
    )
    // with what is inside of them, however that ended
    const states = Array.from(snapshot.modules).filter(([path]) => kept.has(path.split("/", 1)[0]!))
    const paths = states.map(([path]) => path)
    const texts = yield* outputs(paths)
    const rowsOf = new Map<string, Array<ItemRow>>()
    for (const row of yield* items(paths)) {
      const rows = rowsOf.get(row.module)
      if (rows === undefined) rowsOf.set(row.module, [row])
      else rows.push(row)
    }
    const ended: Array<ItemRow> = []
    const transitions: Array<Transition> = []
    let seq = 0
    for (const [module, { attempt, because, failure, items, status }] of states) {
      if (items !== undefined) {
        transitions.push({
          _tag: "ModuleTransition",
          seq: ++seq,
          at,
          module,
          status: "running",
          attempt,
          items: items.total
        })
        for (const row of rowsOf.get(module) ?? []) {
          const { failure, index, status } = row
          ended.push({ ...row, seq: seq + 1 })
          // as the engine wrote it
          const kept = failure === null ? undefined : (JSON.parse(failure) as RunSnapshot.ModuleState["failure"])
          transitions.push({
            _tag: "ItemTransition",
            seq: ++seq,
            at,
            module,
            index,
            status,
            ...(kept === undefined ? undefined : { failure: kept })
          })
        }
      }
      transitions.push({
        _tag: "ModuleTransition",
        seq: ++seq,
        at,
        module,
        status,
        attempt,
        ...(failure === undefined ? undefined : { failure }),
        ...(because === undefined ? undefined : { because })
      })
    }
    return {
      items: ended,
      transitions,
      modules: states.map(([module, { attempt, because, failure, items, status }]) => ({
        module,
        status,
        attempt,
        scheduledAt: null,
        startedAt: items === undefined ? null : at,
        finishedAt: at,
        failure: failure === undefined ? null : JSON.stringify(failure),
        because: because ?? null,
        until: null,
        items: items?.total ?? null,
        output: texts.get(module) ?? null
      }))
    }
  })
