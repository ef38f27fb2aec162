/** What a registry is, in the plainest way: a value, and what each command makes of it. */
import { Effect, FastCheck as fc } from "effect"
import { Flow, type FlowRegistry } from "heddle"
import { dagOf, type Defined, definitionOf, foundAs, type Kind, kinds, toolNames } from "./FlowFixtures.js"

type Hashes = { readonly [tool: string]: string }

/** A flow without its documents and times. */
export interface ModelFlow {
  readonly name: string
  readonly version: string
  readonly fingerprint: string
  readonly tools: Hashes
  readonly drift: Hashes
  readonly status: Flow.FlowStatus
  readonly lifecycle: string
  readonly governance: string
  readonly revision: number
  readonly updatedBy: string
}

interface Row {
  readonly flow: ModelFlow | undefined
  readonly revision: number
  readonly registered: Hashes
}

export type State = ReadonlyMap<string, Row>

interface Registering {
  readonly name: string
  readonly version: string
  readonly kind: Kind
  readonly status?: Flow.FlowStatus | undefined
  readonly lifecycle?: string | undefined
}

interface Target {
  readonly name: string
  readonly version: string
  /** How far it is from the revision that is there when the command begins. */
  readonly off?: number | undefined
}

export type Command =
  | { readonly _tag: "registerAll"; readonly flows: ReadonlyArray<Registering> }
  | { readonly _tag: "register"; readonly flow: Registering }
  | (Target & { readonly _tag: "setFlowStatus"; readonly status: Flow.FlowStatus })
  | (Target & { readonly _tag: "updateFlowState"; readonly status: Flow.FlowStatus; readonly hashes: Hashes })
  | (Target & { readonly _tag: "acceptDrift"; readonly tools: ReadonlyArray<string> | undefined })
  | (Target & { readonly _tag: "annotate"; readonly lifecycle?: string; readonly governance?: string })
  | (Target & { readonly _tag: "remove" })
  | { readonly _tag: "reportDrift"; readonly flow?: string; readonly found: { readonly [tool: string]: number } }

/** The flows that a command gives, or the tag of its error. */
export type Result = ReadonlyArray<ModelFlow> | string

const hashesOf = (tools: Flow.Tools): Hashes =>
  Object.fromEntries(Object.entries(tools).map(([tool, { hash }]) => [tool, hash]))

export const modelOf = (flow: Flow.Flow): ModelFlow => {
  const { drift, fingerprint, governance, lifecycle, name, revision, status, tools, updatedBy, version } = flow
  return {
    name,
    version,
    fingerprint,
    tools: hashesOf(tools),
    drift: hashesOf(drift),
    status,
    lifecycle,
    governance,
    revision,
    updatedBy
  }
}

export const keyOf = ({ name, version }: { readonly name: string; readonly version: string }) => `${name} ${version}`

const same = (a: object, b: object) =>
  JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort())

const flat = ({ drift, tools, ...flow }: ModelFlow) => ({
  ...flow,
  tools: Object.entries(tools).sort(),
  drift: Object.entries(drift).sort()
})

const definitions = new Map<string, Defined>()
const defined = ({ kind, name }: Registering): Defined => {
  const key = JSON.stringify([name, kind])
  const known = definitions.get(key) ?? definitionOf(dagOf(name, kind))
  definitions.set(key, known)
  return known
}

const toolsOf = (found: { readonly [tool: string]: number }): Flow.Tools =>
  Object.fromEntries(Object.entries(found).map(([tool, i]) => [tool, foundAs(tool)[i]!]))

export interface Applied {
  readonly state: State
  readonly result: Result
  /** What was written. */
  readonly changed: ReadonlyArray<ModelFlow>
}

/** The highest first. */
const versions = ["1.10.0", "1.9.0", "1.9.0-beta.2"]

const order = (a: ModelFlow, b: ModelFlow) =>
  a.name === b.name ? versions.indexOf(a.version) - versions.indexOf(b.version) : a.name < b.name ? -1 : 1

/** `based`: the revision that a conditional command was given; `actor`: who it is. */
export const apply = (state: State, command: Command, actor: string, based?: number): Applied => {
  const refused = (result: string): Applied => ({ state, result, changed: [] })
  const unchanged = (flows: ReadonlyArray<ModelFlow>): Applied => ({ state, result: flows, changed: [] })
  const written = (flows: ReadonlyArray<ModelFlow>, registered?: ReadonlyMap<string, Hashes>): State => {
    const next = new Map(state)
    for (const flow of flows) {
      const key = keyOf(flow)
      const before = registered?.get(key) ?? state.get(key)?.registered ?? {}
      next.set(key, { flow, revision: flow.revision, registered: before })
    }
    return next
  }

  const registering = (flows: ReadonlyArray<Registering>): Applied => {
    if (new Set(flows.map(keyOf)).size < flows.length) return refused("FlowInvalid")
    const given: Array<ModelFlow> = []
    const changed: Array<ModelFlow> = []
    const registered = new Map<string, Hashes>()
    for (const flow of flows) {
      const row = state.get(keyOf(flow))
      const { fingerprint, tools } = defined(flow)
      const hashes = hashesOf(tools)
      if (row?.flow !== undefined) {
        const isSame =
          row.flow.fingerprint === fingerprint && (same(row.flow.tools, hashes) || same(row.registered, hashes))
        if (!isSame) return refused("FlowDiffers")
        given.push(row.flow)
        continue
      }
      const { lifecycle = "", name, status = "active", version } = flow
      const revision = (row?.revision ?? 0) + 1
      const made = { name, version, fingerprint, tools: hashes, drift: {}, status, lifecycle, governance: "" }
      const next = { ...made, revision, updatedBy: actor }
      registered.set(keyOf(flow), hashes)
      given.push(next)
      changed.push(next)
    }
    return { state: written(changed, registered), result: given, changed }
  }

  if (command._tag === "registerAll") return registering(command.flows)
  if (command._tag === "register") return registering([command.flow])
  if (command._tag === "reportDrift") {
    const found = hashesOf(toolsOf(command.found))
    const isModule = Object.keys(found).some((tool) => !tool.startsWith("node:"))
    if (isModule && command.flow === undefined) return refused("FlowInvalid")
    const changed = [...state.values()].flatMap(({ flow }) => {
      if (flow === undefined) return []
      const drift = { ...flow.drift }
      for (const [tool, hash] of Object.entries(found)) {
        if (!tool.startsWith("node:") && flow.name !== command.flow) continue
        if (flow.tools[tool] === hash) delete drift[tool]
        else if (tool in flow.tools) drift[tool] = hash
      }
      if (same(drift, flow.drift)) return []
      const isReviewed = flow.status === "active" && Object.keys(drift).length > 0
      const status: Flow.FlowStatus = isReviewed ? "needsReview" : flow.status
      return [{ ...flow, drift, status, revision: flow.revision + 1, updatedBy: actor }]
    })
    changed.sort(order)
    return { state: written(changed), result: changed, changed }
  }

  const row = state.get(keyOf(command))
  const flow = row?.flow
  if (flow === undefined) return refused("UnknownFlow")
  if (based !== undefined && based !== flow.revision) return refused("FlowConflict")
  const to = (fields: Partial<ModelFlow>): Applied => {
    const next = { ...flow, ...fields }
    if (same(flat(next), flat(flow))) return unchanged([flow])
    const made = { ...next, revision: flow.revision + 1, updatedBy: actor }
    return { state: written([made]), result: [made], changed: [made] }
  }
  const mayBe = (status: Flow.FlowStatus, drift: Hashes) =>
    (status === flow.status || Flow.allowed[flow.status].includes(status)) &&
    (status !== "active" || Object.keys(drift).length === 0)
  const missing = (tools: ReadonlyArray<string>) => tools.some((tool) => !(tool in flow.tools))

  switch (command._tag) {
    case "setFlowStatus":
      return mayBe(command.status, flow.drift) ? to({ status: command.status }) : refused("StatusNotAllowed")
    case "updateFlowState": {
      if (missing(Object.keys(command.hashes))) return refused("UnknownTool")
      const drift = Object.fromEntries(Object.entries(flow.drift).filter(([tool]) => !(tool in command.hashes)))
      if (!mayBe(command.status, drift)) return refused("StatusNotAllowed")
      return to({ status: command.status, tools: { ...flow.tools, ...command.hashes }, drift })
    }
    case "acceptDrift": {
      if (missing(command.tools ?? [])) return refused("UnknownTool")
      const [taken, left] = [{ ...flow.tools }, { ...flow.drift }] as [Record<string, string>, Record<string, string>]
      for (const [tool, hash] of Object.entries(flow.drift)) {
        if (command.tools !== undefined && !command.tools.includes(tool)) continue
        taken[tool] = hash
        delete left[tool]
      }
      if (same(left, flow.drift)) return unchanged([flow])
      const isClear = flow.status === "needsReview" && Object.keys(left).length === 0
      return to({ tools: taken, drift: left, status: isClear ? "active" : flow.status })
    }
    case "annotate":
      return to({
        lifecycle: command.lifecycle ?? flow.lifecycle,
        governance: command.governance ?? flow.governance
      })
    case "remove": {
      const next = new Map(state)
      const revision = flow.revision + 1
      next.set(keyOf(flow), { flow: undefined, revision, registered: {} })
      return { state: next, result: [flow], changed: [{ ...flow, revision, updatedBy: actor }] }
    }
  }
}

const name = fc.constantFrom("a", "a", "a", "a", "b")
const version = fc.constantFrom(...versions, "1.9.0", "1.9.0", "1.9.0", "1.9.0")
const status = fc.constantFrom<Flow.FlowStatus>("active", "needsReview", "disabled")
const tool = fc.constantFrom(...toolNames)
const note = fc.constantFrom("", "x", "y")
const registering = fc.record(
  { name, version, kind: fc.constantFrom(...kinds), status, lifecycle: note },
  { requiredKeys: ["name", "version", "kind"] }
)
const target = { name, version, off: fc.constantFrom(undefined, undefined, undefined, 0, -1) }
const hash = fc.tuple(tool, fc.nat(3)).map(([tool, i]) => foundAs(tool)[i]!.hash)

/** Those that change what is there come more often than those that put something there. */
export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ _tag: fc.constant("register" as const), flow: registering }) },
  {
    weight: 1,
    arbitrary: fc.record({ _tag: fc.constant("registerAll" as const), flows: fc.array(registering, { maxLength: 3 }) })
  },
  { weight: 5, arbitrary: fc.record({ _tag: fc.constant("setFlowStatus" as const), ...target, status }) },
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("updateFlowState" as const),
      ...target,
      status,
      hashes: fc.dictionary(fc.constantFrom(...toolNames, ...toolNames, "none"), hash, { maxKeys: 2 })
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("acceptDrift" as const),
      ...target,
      tools: fc.option(fc.array(fc.constantFrom(...toolNames, ...toolNames, "none"), { maxLength: 2 }), {
        nil: undefined
      })
    })
  },
  {
    weight: 2,
    arbitrary: fc.record(
      { _tag: fc.constant("annotate" as const), ...target, lifecycle: note, governance: note },
      { requiredKeys: ["_tag", "name", "version", "off"] }
    )
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("remove" as const), ...target }) },
  {
    weight: 5,
    arbitrary: fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          _tag: fc.constant("reportDrift" as const),
          flow: name,
          found: fc.dictionary(tool, fc.nat(3), { minKeys: 1, maxKeys: 2 })
        })
      },
      {
        weight: 2,
        arbitrary: fc.record({
          _tag: fc.constant("reportDrift" as const),
          found: fc.dictionary(fc.constant("node:test/Rate"), fc.nat(3), { minKeys: 1, maxKeys: 1 })
        })
      },
      // where there are modules: of which flow?
      {
        weight: 1,
        arbitrary: fc.record({
          _tag: fc.constant("reportDrift" as const),
          found: fc.dictionary(tool, fc.nat(3), { minKeys: 1, maxKeys: 2 })
        })
      }
    )
  }
)

/** Two tools of a flow have drift, and one of them is accepted: by chance that hardly ever comes about. */
const partly: fc.Arbitrary<ReadonlyArray<Command>> = fc
  .record({ name, version, tools: fc.uniqueArray(tool, { minLength: 2, maxLength: 2 }), found: fc.nat(3) })
  .map(({ found, name, tools, version }) => [
    { _tag: "register", flow: { name, version, kind: kinds[0]! } },
    { _tag: "reportDrift", flow: name, found: Object.fromEntries(tools.map((tool) => [tool, found])) },
    { _tag: "acceptDrift", name, version, off: undefined, tools: tools.slice(1) }
  ])

export const commands = (maxLength: number): fc.Arbitrary<ReadonlyArray<Command>> =>
  fc
    .array(fc.oneof({ weight: 15, arbitrary: command.map((command) => [command]) }, { weight: 1, arbitrary: partly }), {
      maxLength,
      size: "max"
    })
    .map((commands) => commands.flat())

type Registry = FlowRegistry.FlowRegistry["Type"]

/** The revision that a conditional command is given. */
export const baseOf = (command: Command, revision: number): number | undefined =>
  "off" in command && command.off !== undefined ? Math.max(1, revision + command.off) : undefined

/** What a registry makes of it. */
export const perform = (
  registry: Registry,
  command: Command,
  actor: string,
  revision: number | undefined
): Effect.Effect<ReadonlyArray<Flow.Flow> | string> => {
  const by = { actor, reason: command._tag, revision }
  const one = <E extends { readonly _tag: string }>(effect: Effect.Effect<Flow.Flow, E>) =>
    Effect.map(effect, (flow) => [flow])
  const calling = (): Effect.Effect<ReadonlyArray<Flow.Flow>, { readonly _tag: string }> => {
    switch (command._tag) {
      case "register": {
        const { kind, name, ...rest } = command.flow
        return one(registry.register(dagOf(name, kind), { ...rest, actor, reason: "register" }))
      }
      case "registerAll":
        return registry.registerAll(
          command.flows.map(({ kind, name, ...rest }) => ({ dag: dagOf(name, kind), ...rest })),
          { actor }
        )
      case "reportDrift":
        return registry.reportDrift(toolsOf(command.found), { actor, flow: command.flow })
      case "setFlowStatus":
        return one(registry.setFlowStatus(command.name, { ...by, version: command.version, status: command.status }))
      case "updateFlowState": {
        const { hashes: toolSchemaHashes, name, status, version } = command
        return one(registry.updateFlowState(name, { ...by, version, status, toolSchemaHashes }))
      }
      case "acceptDrift":
        return one(registry.acceptDrift(command.name, { ...by, version: command.version, tools: command.tools }))
      case "annotate": {
        const { governance, lifecycle, name, version } = command
        return one(registry.annotate(name, { ...by, version, lifecycle, governance }))
      }
      case "remove":
        return Effect.map(registry.remove(command.name, { ...by, version: command.version }), (flow) =>
          flow === undefined ? [] : [flow]
        )
    }
  }
  return Effect.catchAll(calling(), ({ _tag }) => Effect.succeed(_tag))
}

/** Flows as they are: those of a state. */
export const present = (state: State): ReadonlyArray<ModelFlow> =>
  [...state.values()].flatMap(({ flow }) => (flow === undefined ? [] : [flow])).sort(order)
