/**
 * The flows of a `FlowStore` in memory, and the log of their changes: values that never change.
 */
import type * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as RedBlackTree from "effect/RedBlackTree"
import type { FlowChange, FlowEntry, FlowFilter, FlowRow, LogFilter, Written } from "../FlowStore.js"
import * as TextOrder from "./TextOrder.js"

interface Key {
  readonly name: string
  readonly version: string
}

/**
 * - `position`: that of the last entry
 * - `rows`: all there ever were, also of flows that were removed
 */
export interface FlowLog {
  readonly position: number
  readonly rows: RedBlackTree.RedBlackTree<Key, FlowRow>
  readonly entries: RedBlackTree.RedBlackTree<number, FlowEntry>
}

const byName: Order.Order<Key> = Order.make(
  (a, b) => Math.sign(TextOrder.compare(a.name, b.name) || TextOrder.compare(a.version, b.version)) as -1 | 0 | 1
)

export const empty: FlowLog = {
  position: 0,
  rows: RedBlackTree.empty(byName),
  entries: RedBlackTree.empty(Order.number)
}

/** A tree finds keys that are equal. */
const keyOf = ({ name, version }: Key): Key => Data.struct({ name, version })

const rowOf = ({ fingerprint, name, revision, status, text, version }: FlowRow): FlowRow =>
  Object.freeze({ name, version, fingerprint, status, revision, text })

const entryOf = (change: FlowChange, position: number): FlowEntry => {
  const { action, actor, at, reason } = change
  return Object.freeze({ ...rowOf(change), at, actor, reason, action, position })
}

export const get = ({ rows }: FlowLog, key: Key): Option.Option<FlowRow> => RedBlackTree.findFirst(rows, keyOf(key))

/** What has become of the changes, each of another flow, and the log afterwards: the same one after a conflict. */
export const write = (
  log: FlowLog,
  changes: Arr.NonEmptyReadonlyArray<FlowChange>
): readonly [written: Written, log: FlowLog] => {
  for (const { name, revision, version } of changes) {
    const actual = Option.match(get(log, { name, version }), { onNone: () => 0, onSome: (row) => row.revision })
    if (actual !== revision - 1) return [{ _tag: "Conflict", name, version, actual }, log]
  }
  let { entries, position, rows } = log
  for (const change of changes) {
    const key = keyOf(change)
    position++
    entries = RedBlackTree.insert(entries, position, entryOf(change, position))
    // a tree may have several values of one key
    rows = RedBlackTree.insert(RedBlackTree.removeFirst(rows, key), key, rowOf(change))
  }
  return [
    { _tag: "Written", position },
    { position, rows, entries }
  ]
}

export const list = (
  { rows }: FlowLog,
  { after, fingerprint, limit, name, status }: FlowFilter
): ReadonlyArray<FlowRow> => {
  const found: Array<FlowRow> = []
  if (limit === 0) return found
  // no name and no version is empty
  const first = { name: name ?? "", version: "" }
  const from = after === undefined || byName(after, first) < 0 ? first : after
  for (const [, row] of RedBlackTree.greaterThan(rows, from)) {
    if (name !== undefined && row.name !== name) break
    const isMeant =
      row.text !== null &&
      (fingerprint === undefined || row.fingerprint === fingerprint) &&
      (status === undefined || row.status === status)
    if (isMeant && found.push(row) === limit) break
  }
  return found
}

export const entries = (log: FlowLog, { after, limit, name, version }: LogFilter): ReadonlyArray<FlowEntry> => {
  const found: Array<FlowEntry> = []
  if (limit === 0) return found
  for (const [, entry] of RedBlackTree.greaterThan(log.entries, after)) {
    const isMeant = (name === undefined || entry.name === name) && (version === undefined || entry.version === version)
    if (isMeant && found.push(entry) === limit) break
  }
  return found
}
