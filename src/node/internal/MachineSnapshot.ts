/** Snapshots of a machine: how they are stored, and what must hold of one that is restored. */
import * as Schema from "effect/Schema"
import type { ValueSchema } from "../../dag/Node.js"
import type { Machine, Snapshot, Tagged } from "../MachineDefinition.js"

const Entry = Schema.Struct({
  seq: Schema.Int.pipe(Schema.positive()),
  at: Schema.JsonNumber,
  event: Schema.String,
  from: Schema.String,
  to: Schema.String,
  intents: Schema.Array(Schema.String)
})

/** Of an instance of this machine, whatever the limits of its definition were when it was stored. */
export const schema = <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>
): ValueSchema<Snapshot<S, C, I>> =>
  Schema.Struct({
    machine: Schema.Literal(machine.id),
    key: Schema.NonEmptyString,
    // erasure: the keys of this record are the names of type `S`
    state: Schema.Literal(...(Object.keys(machine.states) as Array<S>)),
    context: machine.context,
    seq: Schema.NonNegativeInt,
    due: Schema.NullOr(Schema.JsonNumber),
    history: Schema.Array(Entry),
    pending: Schema.Array(Schema.Struct({ id: Schema.String, intent: machine.intent }))
  })

/** What the definition, as it is now, says against a snapshot that fits the schema; undefined when nothing does. */
export const faultOf = <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  { due, history, key, pending, seq, state }: Snapshot<S, C, I>
): string | undefined => {
  if (history.length > machine.history) {
    return `at history: it has ${history.length} entries, and the machine remembers ${machine.history}`
  }
  if (history.length < Math.min(seq, machine.history)) return `at history: it has too few entries for seq ${seq}`
  for (const [index, entry] of history.entries()) {
    const at = `at history.${index}`
    if (entry.seq !== seq - history.length + 1 + index) return `${at}: its seq does not lead to ${seq}`
    if (!Object.hasOwn(machine.states, entry.from)) return `${at}: there is no state ${JSON.stringify(entry.from)}`
    if (!Object.hasOwn(machine.states, entry.to)) return `${at}: there is no state ${JSON.stringify(entry.to)}`
    if (index > 0 && history[index - 1]!.to !== entry.from) return `${at}: it does not begin where the last one ended`
  }
  const last = history.at(-1)
  if (last !== undefined && last.to !== state)
    return `at history: it leads to ${JSON.stringify(last.to)}, not to "${state}"`
  if (due !== null && machine.delay(state) === undefined) return `at due: state "${state}" has no timed transition`
  const ids = new Set<string>()
  for (const [index, { id }] of pending.entries()) {
    const prefix = `${machine.id}:${key}:`
    const numbers = id.startsWith(prefix) ? /^(\d+):\d+$/.exec(id.slice(prefix.length)) : null
    if (numbers === null || Number(numbers[1]) > seq) return `at pending.${index}: ${JSON.stringify(id)} is no id of it`
    if (ids.has(id)) return `at pending.${index}: ${JSON.stringify(id)} is there twice`
    ids.add(id)
  }
  return undefined
}
