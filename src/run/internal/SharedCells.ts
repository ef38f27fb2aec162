import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as ParseResult from "effect/ParseResult"
import * as Ref from "effect/Ref"
import type * as Shared from "../../dag/Shared.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import type { Fault } from "../../model/RunError.js"
import type { SharedValues } from "../../model/Transition.js"
import { Unencodable } from "./Values.js"

type Values = { readonly [key: string]: unknown }

/** An update as a module asked for it; it may be applied several times. */
export interface Update {
  readonly group: string
  readonly f: (cells: Values) => Values
}

/** A group of cells, where its Dag declared it. */
interface Group {
  /** What the paths of its cells begin with. */
  readonly path: string
  readonly cells: { readonly [key: string]: Shared.AnyCell }
  /** Replaced as a whole, by this file alone. */
  readonly values: { current: Values }
}

/** The `values` of a group: `base` with those of the first `count` updates that are of this group. */
export interface Seen {
  readonly base: Values
  readonly count: number
  readonly values: Values
}

/**
 * The shared cells of one Dag of a run, and through it those of the Dags that it is a child of. All methods are
 * synchronous, so that JavaScript runs each of them whole: no update is lost, and no two cells are seen torn.
 */
export interface SharedCells {
  readonly find: (group: string) => Group | undefined
  /** What an attempt sees of a group: its values with the updates applied. `before` is what it saw the last time. */
  readonly see: (group: string, updates: ReadonlyArray<Update>, before: Seen | undefined) => Seen
  /** All updates take effect, or, when a value does not encode, none does. Throws what an update throws. */
  readonly commit: (updates: ReadonlyArray<Update>, live: boolean) => Either.Either<SharedValues, Unencodable>
}

/** A stored value that its cell does not take any more. */
export interface InvalidCell {
  readonly cell: string
  readonly faults: ReadonlyArray<Fault>
}

/** `path` is that of the Dag's modules; `stored` has the cells that are not as they were at first. */
export const make = (
  groups: ReadonlyArray<Shared.AnyGroup>,
  path: string,
  stored: HashMap.HashMap<string, unknown>,
  parent: SharedCells | undefined,
  alwaysDecode = false
): Either.Either<SharedCells, InvalidCell> => {
  const own = new Map<string, Group>()
  for (const { cells, name } of groups) {
    // a group that an enclosing Dag declares as well is the same one
    if (parent?.find(name)?.cells === cells) continue
    const values: Array<readonly [string, unknown]> = []
    for (const [key, { initial, schema }] of Object.entries(cells)) {
      const cell = `${path}${name}/${key}`
      const encoded = HashMap.get(stored, cell)
      if (encoded._tag === "None") {
        values.push([key, initial])
        continue
      }
      const decoded = ParseResult.decodeUnknownEither(schema, { errors: "all" })(encoded.value)
      if (Either.isLeft(decoded)) {
        return Either.left({ cell, faults: ParseResult.ArrayFormatter.formatIssueSync(decoded.left) })
      }
      values.push([key, decoded.right])
    }
    const ref = Ref.unsafeMake<{ current: Values }>({ current: Object.fromEntries(values) })
    own.set(name, { path: `${path}${name}/`, cells, values: Effect.runSync(Ref.get(ref)) })
  }
  if (own.size === 0 && parent !== undefined) return Either.right(parent)

  const find = (name: string) => own.get(name) ?? parent?.find(name)
  return Either.right({
    find,
    see: (name, updates, before) => {
      const group = known(find, name)
      const base = group.values.current
      let { count, values } = before?.base === base ? before : { count: 0, values: base }
      for (; count < updates.length; count++) {
        const update = updates[count]!
        if (update.group === name) values = applyOne(group, values, update, false)
      }
      return { base, count, values }
    },
    commit: (updates, live) => {
      const applied = apply(find, updates, live)
      const encoded = encode(applied)
      if (Either.isLeft(encoded)) return encoded
      const next = alwaysDecode ? decode(applied, encoded.right) : Either.right(applied)
      if (Either.isLeft(next)) return Either.left(next.left)
      for (const [group, values] of next.right) group.values.current = values
      return encoded
    }
  })
}

/** Types see to it that a module can name none but the groups of its Dag. */
const known = (find: (name: string) => Group | undefined, name: string): Group => {
  const group = find(name)
  if (group === undefined)
    throw new Error(`no Dag of this run declares the shared group "${name}": list it in \`shared\``)
  return group
}

/** The values of a group after one update. */
const applyOne = ({ cells }: Group, values: Values, { f, group }: Update, live: boolean): Values => {
  const seen = Object.fromEntries(Object.entries(values).filter(([key]) => cells[key]!.live === live))
  const patch = f(Object.freeze(seen))
  const next = { ...values }
  for (const [key, value] of Object.entries(patch)) {
    if (!Object.hasOwn(seen, key)) {
      throw new Error(
        `an update of the shared group "${group}" gave "${key}", which is not one of its cells to update so`
      )
    }
    const { merge } = cells[key]!
    next[key] = merge === undefined ? value : merge(values[key], value)
  }
  return next
}

/** The values of each group after the updates. */
const apply = (
  find: (name: string) => Group | undefined,
  updates: ReadonlyArray<Update>,
  live: boolean
): ReadonlyMap<Group, Values> => {
  const after = new Map<Group, Values>()
  for (const update of updates) {
    const group = known(find, update.group)
    after.set(group, applyOne(group, after.get(group) ?? group.values.current, update, live))
  }
  return after
}

/** What changed, as JSON values by the path of the cell. */
const encode = (applied: ReadonlyMap<Group, Values>): Either.Either<SharedValues, Unencodable> => {
  const encoded: { [cell: string]: unknown } = {}
  const faults: Array<Fault> = []
  for (const [{ cells, path, values }, after] of applied) {
    for (const [key, { schema }] of Object.entries(cells)) {
      if (after[key] === values.current[key]) continue
      const cell = path + key
      const refuse = (found: ReadonlyArray<Fault>) =>
        found.forEach((fault) => faults.push({ path: ["shared", cell, ...fault.path], message: fault.message }))
      const value = ParseResult.encodeUnknownEither(schema, { errors: "all" })(after[key])
      if (Either.isLeft(value)) {
        refuse(ParseResult.ArrayFormatter.formatIssueSync(value.left))
        continue
      }
      const text = CanonicalJson.stringify(value.right)
      if (Either.isLeft(text)) refuse([text.left])
      // parsed again: what is stored must not change with a value that a module still holds
      else encoded[cell] = JSON.parse(text.right)
    }
  }
  return faults.length > 0 ? Either.left(new Unencodable(faults)) : Either.right(encoded)
}

/** The values as a resume would give them. */
const decode = (
  applied: ReadonlyMap<Group, Values>,
  encoded: SharedValues
): Either.Either<ReadonlyMap<Group, Values>, Unencodable> => {
  const decoded = new Map<Group, Values>()
  for (const [group, values] of applied) {
    const next = { ...values }
    for (const [key, { schema }] of Object.entries(group.cells)) {
      const cell = group.path + key
      if (!Object.hasOwn(encoded, cell)) continue
      const value = ParseResult.decodeUnknownEither(schema, { errors: "all" })(encoded[cell])
      if (Either.isLeft(value)) {
        const faults = ParseResult.ArrayFormatter.formatIssueSync(value.left)
        return Either.left(
          new Unencodable(faults.map(({ message, path }) => ({ path: ["shared", cell, ...path], message })))
        )
      }
      next[key] = value.right
    }
    decoded.set(group, next)
  }
  return Either.right(decoded)
}
