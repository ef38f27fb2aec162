import * as Effect from "effect/Effect"
import type * as HashMap from "effect/HashMap"
import type * as RunSnapshot from "../../model/RunSnapshot.js"
import type { StoreError } from "../../model/StoreError.js"
import type { Transition } from "../../model/Transition.js"
import type { Seed } from "../../state/RunLease.js"
import type { ItemRow } from "../../state/Timeline.js"
import type { Source } from "./Recall.js"

/** What a new run takes over of another one. */
export interface Taken {
  /** The modules, by path, that have what they are. */
  readonly modules: ReadonlyArray<readonly [path: string, state: RunSnapshot.ModuleState]>
  /** Which of their items. */
  readonly isTaken: (item: ItemRow) => boolean
  readonly shared: RunSnapshot.RunSnapshot["shared"]
}

/** The beginning of a new run: the transitions say the same as the rows. Outputs and items are read from the source. */
export const make = (
  { isTaken, modules, shared }: Taken,
  { items, outputs }: Pick<Source, "items" | "outputs">,
  at: number
): Effect.Effect<Seed, StoreError> =>
  Effect.gen(function* () {
    const paths = modules.map(([path]) => path)
    const texts = yield* outputs(paths)
    const rowsOf = new Map<string, Array<ItemRow>>()
    for (const row of yield* items(paths)) {
      if (!isTaken(row)) continue
      const rows = rowsOf.get(row.module)
      if (rows === undefined) rowsOf.set(row.module, [row])
      else rows.push(row)
    }
    const ended: Array<ItemRow> = []
    const transitions: Array<Transition> = []
    let seq = 0
    const put = (module: string, { attempt, because, failure, status }: RunSnapshot.ModuleState, items?: number) =>
      transitions.push({
        _tag: "ModuleTransition",
        seq: ++seq,
        at,
        module,
        status,
        attempt,
        ...(items === undefined ? undefined : { items }),
        ...(failure === undefined ? undefined : { failure }),
        ...(because === undefined ? undefined : { because })
      })
    for (const [module, state] of modules) {
      const { attempt, items, status } = state
      if (items !== undefined || status === "running") put(module, { status: "running", attempt }, items?.total)
      // in the order in which they ended
      for (const row of (rowsOf.get(module) ?? []).sort((a, b) => a.seq - b.seq)) {
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
      if (status !== "running") put(module, state)
    }
    const cells = sharedOf(shared)
    if (cells.length > 0) {
      transitions.push({ _tag: "SharedTransition", seq: ++seq, at, shared: Object.fromEntries(cells) })
    }
    return {
      items: ended,
      shared: cells.map(([cell, value]) => ({ cell, value: JSON.stringify(value) })),
      transitions,
      modules: modules.map(([module, { attempt, because, failure, items, status }]) => ({
        module,
        status,
        attempt,
        scheduledAt: null,
        startedAt: items !== undefined || status === "running" ? at : null,
        finishedAt: status === "running" ? null : at,
        failure: failure === undefined ? null : JSON.stringify(failure),
        because: because ?? null,
        until: null,
        items: items?.total ?? null,
        output: texts.get(module) ?? null
      }))
    }
  })

const sharedOf = (shared: HashMap.HashMap<string, unknown>) => Array.from(shared)
