/** Whether an audit trail tells an order that explains what those were told who changed flows at the same time. */
import { assert } from "@effect/vitest"
import type { Flow, FlowRegistry } from "heddle"
import * as FlowModel from "./FlowModel.js"

/**
 * What somebody asked of a registry, under a name of its own. It took place between the positions `from` and `to`; there is
 * no `result` when it was interrupted.
 */
export interface Call {
  readonly command: FlowModel.Command
  readonly actor: string
  readonly based: number | undefined
  readonly from: number
  readonly to: number
  readonly result: FlowModel.Result | undefined
}

export interface Told {
  readonly calls: ReadonlyArray<Call>
  readonly audit: ReadonlyArray<FlowRegistry.AuditEntry>
  /** In the end. */
  readonly flows: ReadonlyArray<Flow.Flow>
  readonly position: number
  /** A stream of changes that was open meanwhile. */
  readonly watched: ReadonlyArray<FlowRegistry.FlowChange>
}

/** The state of one flow alone. */
const onlyOf = (state: FlowModel.State, key: string): FlowModel.State => {
  const row = state.get(key)
  return new Map(row === undefined ? [] : [[key, row]])
}

export const assertOrder = ({ audit, calls, flows, position, watched }: Told) => {
  const called = new Map(calls.map((call) => [call.actor, call]))
  /** The states, each with the position at which it began. */
  const states: Array<{ readonly position: number; readonly state: FlowModel.State }> = [
    { position: 0, state: new Map() }
  ]
  const written = new Map<string, ReadonlyArray<FlowRegistry.AuditEntry>>()

  for (const entry of audit) {
    const call = called.get(entry.actor)
    assert(call !== undefined, `somebody has asked for change ${entry.position}`)
    const { actor, based, command, from, to } = call
    assert.isTrue(
      from < entry.position && entry.position <= to,
      `change ${entry.position} was made when it was asked for`
    )
    assert.strictEqual(entry.action, command._tag)
    const { state } = states.at(-1)!
    const key = FlowModel.keyOf(entry)
    // a change of several flows is looked at flow by flow
    const applied = FlowModel.apply(onlyOf(state, key), command, actor, based)
    const [changed] = applied.changed
    assert.lengthOf(applied.changed, 1, `change ${entry.position} changes something`)
    assert.strictEqual(entry.revision, changed!.revision, "no revision is left out")
    if (entry.flow === undefined) assert.strictEqual(command._tag, "remove")
    else assert.deepStrictEqual(FlowModel.modelOf(entry.flow), changed)
    states.push({ position: entry.position, state: new Map([...state, ...applied.state]) })
    written.set(actor, [...(written.get(actor) ?? []), entry])
  }

  for (const call of calls) {
    const { actor, based, command, from, result, to } = call
    if (result === undefined) continue
    const own = written.get(actor) ?? []
    if (command._tag !== "reportDrift") assert.isAtMost(own.length, 1, "a change is made once")
    /** What was there at some moment while it was under way. */
    const during = states.filter(({ position }, i) => position <= to && (states[i + 1]?.position ?? Infinity) > from)
    if (own.length === 0) {
      const lost =
        result === "FlowConflict" &&
        command._tag === "updateFlowState" &&
        audit.some(
          (entry) =>
            FlowModel.keyOf(entry) === FlowModel.keyOf(command) && entry.position > from && entry.position <= to
        )
      const explained = during.some(({ state }) => {
        const applied = FlowModel.apply(state, command, actor, based)
        return applied.changed.length === 0 && JSON.stringify(sorted(applied.result)) === JSON.stringify(sorted(result))
      })
      assert.isTrue(
        lost || explained,
        `${JSON.stringify(command)} gave ${JSON.stringify(result)}, which nothing explains`
      )
      continue
    }
    assert.isArray(result)
    const before = states[states.findIndex(({ position }) => position === own[0]!.position) - 1]!
    if (command._tag === "remove") {
      assert.deepStrictEqual(result, [before.state.get(FlowModel.keyOf(command))?.flow] as unknown)
      continue
    }
    // a report may mark flows one after the other
    const last = new Map(own.flatMap(({ flow }) => (flow === undefined ? [] : [[flow.name, FlowModel.modelOf(flow)]])))
    assert.deepStrictEqual(sorted(result), sorted(Array.from(last.values()).sort((a, b) => (a.name < b.name ? -1 : 1))))
    const isComplete = during.some(
      ({ position, state }) =>
        position < own[0]!.position &&
        FlowModel.apply(state, command, actor, based).changed.every((flow) =>
          own.some((entry) => FlowModel.keyOf(entry) === FlowModel.keyOf(flow))
        )
    )
    assert.isTrue(isComplete, "it has changed all that there was to change")
  }

  const end = states.at(-1)!
  assert.strictEqual(end.position, position)
  assert.deepStrictEqual(flows.map(FlowModel.modelOf), FlowModel.present(end.state))

  // one of the states, and then every change
  const present = (state: FlowModel.State) => FlowModel.present(state).map((flow) => text(flow))
  const told = watched.map((change) =>
    change._tag === "Present" ? text(FlowModel.modelOf(change.flow)) : `${FlowModel.keyOf(change)} ${change.revision}`
  )
  const changes = audit.map((entry) =>
    entry.flow === undefined ? `${FlowModel.keyOf(entry)} ${entry.revision}` : text(FlowModel.modelOf(entry.flow))
  )
  assert.isTrue(
    states.some(({ state }, i) => JSON.stringify([...present(state), ...changes.slice(i)]) === JSON.stringify(told)),
    "a stream of changes tells of a state, and of every change after it, once"
  )
}

const text = (flow: FlowModel.ModelFlow): string => JSON.stringify(sorted([flow]))

/** With the keys of records in order. */
const sorted = (result: FlowModel.Result): unknown =>
  typeof result === "string"
    ? result
    : result.map(({ drift, tools, ...flow }) => ({
        ...Object.fromEntries(Object.entries(flow).sort()),
        tools: Object.entries(tools).sort(),
        drift: Object.entries(drift).sort()
      }))
