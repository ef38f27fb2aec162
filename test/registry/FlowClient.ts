/** Somebody who asks a registry for changes, and writes down what it was told. */
import { Effect, FastCheck as fc, Option } from "effect"
import type { FlowRegistry } from "heddle"
import type { FlowStore } from "heddle/store/FlowStore"
import { toolNames } from "./FlowFixtures.js"
import * as FlowModel from "./FlowModel.js"
import type { Call } from "./FlowOrder.js"

export interface Client {
  readonly registry: FlowRegistry.FlowRegistry["Type"]
  readonly store: FlowStore["Type"]
}

/** One version each of two flows, so that they are changed by many. */
const only = (command: FlowModel.Command): FlowModel.Command =>
  "version" in command
    ? { ...command, version: "1.9.0" }
    : command._tag === "register"
      ? { ...command, flow: { ...command.flow, version: "1.9.0" } }
      : command

/** Changes of few flows, so that many are of the same. */
export const commands = FlowModel.command.filter(({ _tag }) => _tag !== "registerAll").map(only)

const target = {
  name: fc.constantFrom("a", "a", "b"),
  version: fc.constant("1.9.0"),
  off: fc.constantFrom(undefined, 0)
}
const tool = fc.constantFrom(...toolNames)

/** Changes of the status and of the drift of few flows: most of them are possible, whatever is there. */
export const decisions: fc.Arbitrary<FlowModel.Command> = fc.oneof(
  fc.record({
    _tag: fc.constant("setFlowStatus" as const),
    ...target,
    status: fc.constantFrom("needsReview" as const, "disabled" as const)
  }),
  fc.record({
    _tag: fc.constant("acceptDrift" as const),
    ...target,
    tools: fc.option(fc.array(tool, { minLength: 1, maxLength: 2 }), { nil: undefined })
  }),
  fc.record({
    _tag: fc.constant("reportDrift" as const),
    flow: target.name,
    found: fc.dictionary(tool, fc.nat(3), { minKeys: 2, maxKeys: 2 })
  })
)

/** A registration of the version that the commands are about. */
export const registering = (name: string): FlowModel.Command => ({
  _tag: "register",
  flow: { name, version: "1.9.0", kind: { output: 0, node: 0 } }
})

/** It is among the calls from before it is asked for, without a result until there is one. */
export const call = ({ registry, store }: Client, calls: Array<Call>, command: FlowModel.Command, actor: string) =>
  Effect.gen(function* () {
    const from = yield* store.position
    const there = "name" in command ? yield* store.get(command.name, command.version) : Option.none()
    const based = FlowModel.baseOf(command, Option.match(there, { onNone: () => 0, onSome: (row) => row.revision }))
    const told: { -readonly [K in keyof Call]: Call[K] } = {
      command,
      actor,
      based,
      from,
      to: Infinity,
      result: undefined
    }
    calls.push(told)
    const result = yield* FlowModel.perform(registry, command, actor, based)
    told.result = typeof result === "string" ? result : result.map(FlowModel.modelOf)
    told.to = yield* store.position
  })

/** What a stream of changes tells, until it has told of this entry. */
export const tellsOf = (watched: ReadonlyArray<FlowRegistry.FlowChange>, end: FlowRegistry.AuditEntry) => {
  const isTold = () => {
    const last = watched.at(-1)
    const of = last?._tag === "Present" ? last.flow : last
    return of?.name === end.name && of.version === end.version && of.revision === end.revision
  }
  return Effect.repeat(Effect.sleep("1 millis"), { until: isTold })
}
