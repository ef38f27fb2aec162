/**
 * What each change makes of a flow. A flow itself is given back where nothing of it changes.
 */
import * as Either from "effect/Either"
import { allowed, type Flow, type FlowStatus, type Tool, type Tools } from "../../model/Flow.js"
import { StatusNotAllowed, UnknownTool } from "../../model/FlowError.js"
import * as ToolSchema from "../../plan/ToolSchema.js"

/** Who makes a change, and when. */
export interface Stamp {
  readonly at: number
  readonly actor: string
}

/** What a flow is made of. */
export interface Definition extends ToolSchema.ToolSchema {
  readonly name: string
  readonly version: string
  readonly fingerprint: string
}

/** What is said of a flow when it is registered. */
export interface Notes {
  readonly status: FlowStatus
  readonly lifecycle: string
  readonly governance: string
}

const next = (flow: Flow, fields: Partial<Flow>, { actor, at }: Stamp): Flow => ({
  ...flow,
  ...fields,
  revision: flow.revision + 1,
  updatedAt: at,
  updatedBy: actor
})

/** A new flow; `revision` is that of what was there before, 0 where there was nothing. */
export const register = (
  { fingerprint, modules, name, tools, version }: Definition,
  { governance, lifecycle, status }: Notes,
  revision: number,
  { actor, at }: Stamp
): Flow => ({
  name,
  version,
  fingerprint,
  modules,
  tools,
  drift: {},
  status,
  lifecycle,
  governance,
  revision: revision + 1,
  createdAt: at,
  updatedAt: at,
  updatedBy: actor
})

const keysOf = (...records: ReadonlyArray<object>): ReadonlyArray<string> =>
  Array.from(new Set(records.flatMap((record) => Object.keys(record)))).sort()

const own = <A>(record: { readonly [key: string]: A }, key: string): A | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** Which modules and tools two definitions have differently; undefined when they are the same. */
export const differences = (a: Definition, b: Definition): ReadonlyArray<string> | undefined => {
  const differs = keysOf(a.modules, b.modules, a.tools, b.tools).filter(
    (key) => own(a.modules, key) !== own(b.modules, key) || own(a.tools, key)?.hash !== own(b.tools, key)?.hash
  )
  return a.fingerprint === b.fingerprint && differs.length === 0 ? undefined : Object.freeze(differs)
}

const refused = ({ name, status: from, version }: Flow, to: FlowStatus, drift: Tools) =>
  new StatusNotAllowed({ name, version, from, to, drift: Object.freeze(Object.keys(drift).sort()) })

/** The tools that a flow does not have. */
const known = (flow: Flow, named: Iterable<string>): Either.Either<void, UnknownTool> => {
  const tools = Array.from(new Set(named)).filter((tool) => !Object.hasOwn(flow.tools, tool))
  return tools.length === 0
    ? Either.void
    : Either.left(new UnknownTool({ name: flow.name, version: flow.version, tools: Object.freeze(tools) }))
}

/** Without drift a status may follow where the lifecycle lets it. */
const follow = (flow: Flow, to: FlowStatus, drift: Tools): Either.Either<FlowStatus, StatusNotAllowed> => {
  if (flow.status !== to && !allowed[flow.status].includes(to)) return Either.left(refused(flow, to, {}))
  if (to === "active" && Object.keys(drift).length > 0) return Either.left(refused(flow, to, drift))
  return Either.right(to)
}

export const setStatus = (flow: Flow, status: FlowStatus, stamp: Stamp): Either.Either<Flow, StatusNotAllowed> =>
  Either.map(follow(flow, status, flow.drift), (status) =>
    status === flow.status ? flow : next(flow, { status }, stamp)
  )

const without = (tools: Tools, named: Iterable<string>): Tools => {
  const left = new Set(named)
  return Object.fromEntries(Object.entries(tools).filter(([tool]) => !left.has(tool)))
}

/** The status, and the hashes of tools. */
export const update = (
  flow: Flow,
  status: FlowStatus,
  hashes: { readonly [tool: string]: string },
  stamp: Stamp
): Either.Either<Flow, StatusNotAllowed | UnknownTool> =>
  Either.gen(function* () {
    const named = Object.keys(hashes)
    yield* known(flow, named)
    const drift = without(flow.drift, named)
    yield* follow(flow, status, drift)
    const changed = Object.entries(hashes).flatMap(([tool, hash]): ReadonlyArray<readonly [string, Tool]> => {
      if (flow.tools[tool]?.hash === hash) return []
      const drifted = own(flow.drift, tool)
      return [[tool, drifted?.hash === hash ? drifted : { hash, schema: null }]]
    })
    const isSame = Object.keys(drift).length === Object.keys(flow.drift).length
    return status === flow.status && changed.length === 0 && isSame
      ? flow
      : next(flow, { status, tools: { ...flow.tools, ...Object.fromEntries(changed) }, drift }, stamp)
  })

/** The drift of these tools, or of all. */
export const accept = (
  flow: Flow,
  named: ReadonlyArray<string> | undefined,
  stamp: Stamp
): Either.Either<Flow, UnknownTool> =>
  Either.map(known(flow, named ?? []), () => {
    const accepted = Object.entries(flow.drift).filter(([tool]) => named === undefined || named.includes(tool))
    if (accepted.length === 0) return flow
    const drift = without(
      flow.drift,
      accepted.map(([tool]) => tool)
    )
    const isClear = Object.keys(drift).length === 0
    return next(
      flow,
      {
        tools: { ...flow.tools, ...Object.fromEntries(accepted) },
        drift,
        status: isClear && flow.status === "needsReview" ? "active" : flow.status
      },
      stamp
    )
  })

/** What of a report on modules of the flow `named`, and on nodes, concerns a flow. */
export const concerning = (flow: Flow, tools: Tools, named: string | undefined): Tools =>
  flow.name === named ? tools : Object.fromEntries(Object.entries(tools).filter(([tool]) => ToolSchema.isNode(tool)))

/** What tools that concern it take and give now. */
export const report = (flow: Flow, tools: Tools, stamp: Stamp): Flow => {
  const reported = Object.entries(tools).filter(([tool]) => Object.hasOwn(flow.tools, tool))
  const accepted = reported.filter(([tool, { hash }]) => flow.tools[tool]?.hash === hash).map(([tool]) => tool)
  const found = reported.filter(
    ([tool, { hash }]) => flow.tools[tool]?.hash !== hash && own(flow.drift, tool)?.hash !== hash
  )
  if (found.length === 0 && !accepted.some((tool) => Object.hasOwn(flow.drift, tool))) return flow
  const drift = { ...without(flow.drift, accepted), ...Object.fromEntries(found) }
  const needsReview = flow.status === "active" && Object.keys(drift).length > 0
  return next(flow, { drift, status: needsReview ? "needsReview" : flow.status }, stamp)
}

export const annotate = (
  flow: Flow,
  notes: { readonly lifecycle?: string | undefined; readonly governance?: string | undefined },
  stamp: Stamp
): Flow => {
  const { governance = flow.governance, lifecycle = flow.lifecycle } = notes
  return lifecycle === flow.lifecycle && governance === flow.governance
    ? flow
    : next(flow, { lifecycle, governance }, stamp)
}
