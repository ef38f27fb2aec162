/**
 * Transitions as rows of a table, which is the same in every database.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Transition } from "../../model/Transition.js"

/** A row without the run that it is of. */
export interface TransitionRow {
  readonly seq: number
  readonly at: number
  readonly status: string
  readonly module: string | null
  readonly attempt: number | null
  readonly failure: string | null
  readonly epoch: number | null
  readonly because: string | null
  readonly item: number | null
  readonly until: number | null
  readonly shared: string | null
}

const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))

/** The values of a transition's row: `run`, and those of `columns`. */
export const valuesOf = (run: number, transition: Transition): ReadonlyArray<unknown> => {
  const { at, seq } = transition
  switch (transition._tag) {
    case "ModuleTransition": {
      const { attempt, because, failure, items, module, shared, status, until } = transition
      const more = [because ?? null, items ?? null, until ?? null, json(shared)]
      return [run, seq, at, status, module, attempt, json(failure), null, ...more]
    }
    case "ItemTransition": {
      const { failure, index, module, shared, status } = transition
      return [run, seq, at, status, module, null, json(failure), null, null, index, null, json(shared)]
    }
    case "SharedTransition":
      return [run, seq, at, "", null, null, null, null, null, null, null, json(transition.shared)]
    case "DagTransition": {
      const { cells, epoch, fingerprint, removed, reset, total, version } = transition
      const dag = json({ fingerprint, version, total, removed, reset, cells })
      // `until`: when it is due, where it is suspended
      return [run, seq, at, "", null, null, null, epoch, null, null, at, dag]
    }
    case "RunTransition": {
      const { epoch, status, until } = transition
      return [run, seq, at, status, null, null, null, epoch, null, null, until ?? null, null]
    }
  }
}

/** The columns of a row, in the order of `valuesOf`, after that of the run. */
export const columns = "seq, at, status, module, attempt, failure, epoch, because, item, until, shared"

const parsed = (row: TransitionRow) => ({
  ...(row.failure === null ? undefined : { failure: JSON.parse(row.failure) as unknown }),
  ...(row.shared === null ? undefined : { shared: JSON.parse(row.shared) as unknown })
})

const transitionOf = (row: TransitionRow): unknown => {
  const { at, attempt, because, epoch, item, module, seq, status, until } = row
  const waiting = until === null ? undefined : { until }
  if (module === null) {
    if (epoch !== null && row.shared !== null) {
      // as it was written; the schema looks at it
      return { ...(JSON.parse(row.shared) as object), _tag: "DagTransition", seq, at, epoch }
    }
    return epoch === null
      ? { _tag: "SharedTransition", seq, at, ...parsed(row) }
      : { _tag: "RunTransition", seq, at, status, epoch, ...waiting }
  }
  if (attempt === null) return { _tag: "ItemTransition", seq, at, module, index: item, status, ...parsed(row) }
  const items = item === null ? undefined : { items: item }
  const why = because === null ? undefined : { because }
  return { _tag: "ModuleTransition", seq, at, module, status, attempt, ...why, ...waiting, ...items, ...parsed(row) }
}

const decodeAll = Schema.decodeUnknown(Schema.Array(Transition))

/** Fails when a row is not one that `valuesOf` has made. */
export const decode = (rows: ReadonlyArray<TransitionRow>) =>
  Effect.flatMap(
    Effect.try(() => rows.map(transitionOf)),
    decodeAll
  )
