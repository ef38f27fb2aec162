/**
 * Events and states of an aggregate as they are stored.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { AggregateUnreadable } from "../../model/AggregateError.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import type { StateRow, StoredEvent } from "../../store/EventStore.js"

/** The fields of an encoded event or state. */
export interface Fields {
  readonly [field: string]: unknown
}

export type Upcaster = (old: Fields) => Fields

/** An event that is to be appended, without what is known only then. */
export interface Encoded {
  readonly eventType: string
  readonly schemaVersion: number
  readonly payload: string
}

export interface Codec<State, Event> {
  readonly encodeEvent: (event: Event) => Encoded
  /** `id`: that of the aggregate, without its name. */
  readonly decodeEvent: (id: string, stored: StoredEvent) => Effect.Effect<Event, AggregateUnreadable>
  readonly encodeState: (state: State) => Pick<StateRow, "schemaVersion" | "state">
  /** None when it is of another version, or does not decode. */
  readonly decodeState: (row: Pick<StateRow, "schemaVersion" | "state">) => Option.Option<State>
}

/** A mistake in the program, which no caller can handle. */
export class Mistake extends Error {
  override readonly name = "AggregateMistake"
}

/** The tag that encoded values of the schema have. */
const tagOf = (schema: Schema.Schema.AnyNoContext): string | undefined => {
  const { ast } = Schema.encodedSchema(schema)
  if (!SchemaAST.isTypeLiteral(ast)) return undefined
  const tag = ast.propertySignatures.find(({ name }) => name === "_tag")?.type
  return tag !== undefined && SchemaAST.isLiteral(tag) && typeof tag.literal === "string" ? tag.literal : undefined
}

const text = (what: string, value: unknown): string =>
  Either.getOrThrowWith(
    CanonicalJson.stringify(value),
    ({ message, path }) =>
      new Mistake(`${what} is no JSON: ${message}${path.length === 0 ? "" : ` at ${path.join(".")}`}`)
  )

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

interface EventCodec {
  readonly version: number
  readonly upcasters: ReadonlyArray<Upcaster>
  readonly encode: (event: unknown) => unknown
  readonly decode: (value: unknown) => Effect.Effect<unknown, unknown>
}

export interface Options {
  readonly name: string
  readonly events: ReadonlyArray<Schema.Schema.AnyNoContext>
  readonly upcast: { readonly [tag: string]: ReadonlyArray<Upcaster> | undefined }
  readonly state: Schema.Schema.AnyNoContext
  readonly stateVersion: number
  readonly upcastState: { readonly [version: number]: Upcaster | undefined }
}

const eventCodecs = ({ events, name, upcast }: Options): ReadonlyMap<string, EventCodec> => {
  const codecs = new Map<string, EventCodec>()
  for (const [i, schema] of events.entries()) {
    const tag = tagOf(schema)
    if (tag === undefined || tag === "") {
      throw new Mistake(`${name}: the event schema ${i} has no literal _tag: use Schema.TaggedClass or TaggedStruct`)
    }
    if (codecs.has(tag)) throw new Mistake(`${name}: two event schemas have the tag "${tag}"`)
    const upcasters = Object.hasOwn(upcast, tag) ? (upcast[tag] ?? []) : []
    codecs.set(tag, {
      version: upcasters.length + 1,
      upcasters,
      encode: Schema.encodeSync(schema),
      decode: Schema.decodeUnknown(schema)
    })
  }
  for (const tag of Object.keys(upcast)) {
    if (!codecs.has(tag)) throw new Mistake(`${name}: there are upcasters for "${tag}", which is the tag of no event`)
  }
  return codecs
}

const stateUpcasters = ({ name, stateVersion, upcastState }: Options) => {
  for (const version of Object.keys(upcastState)) {
    if (!(Number(version) >= 1 && Number(version) < stateVersion)) {
      throw new Mistake(
        `${name}: upcastState has an upcaster of version ${version}, but stateVersion is ${stateVersion}`
      )
    }
  }
  /** Those that lead from a version to that of the definition. */
  return (from: number): ReadonlyArray<Upcaster> | undefined => {
    const upcasters: Array<Upcaster> = []
    for (let version = from; version < stateVersion; version++) {
      const upcaster = upcastState[version]
      if (upcaster === undefined) return undefined
      upcasters.push(upcaster)
    }
    return from > stateVersion ? undefined : upcasters
  }
}

const reason = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).split("\n").join(" ").slice(0, 500)

/** Throws a `Mistake` when the definition is wrong. */
export const make = (options: Options): Codec<unknown, { readonly _tag: string }> => {
  const { name, state, stateVersion } = options
  if (!(Number.isSafeInteger(stateVersion) && stateVersion >= 1)) {
    throw new Mistake(`${name}: stateVersion is ${stateVersion}: give a whole number of at least 1`)
  }
  const codecs = eventCodecs(options)
  const upcastersFrom = stateUpcasters(options)
  const encodeState = Schema.encodeSync(state)
  const decodeState = Schema.decodeUnknownOption(state)

  return {
    encodeEvent: (event) => {
      const codec = codecs.get(event._tag)
      if (codec === undefined) throw new Mistake(`${name} has no event "${event._tag}": list its schema in \`events\``)
      const encoded = codec.encode(event)
      if (!isFields(encoded)) throw new Mistake(`${name}: the event "${event._tag}" is not encoded as a struct`)
      const { _tag: _, ...fields } = encoded
      return {
        eventType: event._tag,
        schemaVersion: codec.version,
        payload: text(`${name}: the event "${event._tag}"`, fields)
      }
    },

    decodeEvent: (id, { eventType: type, payload, schemaVersion: version, sequence }) => {
      const unreadable = (reason: AggregateUnreadable["reason"], detail: string, cause?: unknown) =>
        new AggregateUnreadable({ aggregate: name, id, sequence, type, version, reason, detail, cause })
      const codec = codecs.get(type)
      if (codec === undefined) return unreadable("unknownType", "the definition has no such event: list its schema")
      if (version > codec.version) {
        return unreadable("newer", `the definition knows it up to version ${codec.version}: later code has written it`)
      }
      const upcast = Effect.try((): Fields => {
        const stored: unknown = JSON.parse(payload)
        if (!isFields(stored)) throw new Mistake("it is no struct")
        return {
          ...codec.upcasters.slice(version - 1).reduce((fields, upcaster) => upcaster(fields), stored),
          _tag: type
        }
      })
      return Effect.flatMap(
        Effect.mapError(upcast, ({ error }) => error),
        codec.decode
      ).pipe(
        // it has been decoded by the schema of this tag
        Effect.map((event) => event as { readonly _tag: string }),
        Effect.mapError((cause) => unreadable("invalid", reason(cause), cause))
      )
    },

    encodeState: (state) => ({
      schemaVersion: stateVersion,
      state: text(`${name}: the state`, encodeState(state))
    }),

    decodeState: (row) => {
      const upcasters = upcastersFrom(row.schemaVersion)
      if (upcasters === undefined) return Option.none()
      try {
        const stored: unknown = JSON.parse(row.state)
        // a state of the present version need not be a struct
        return decodeState(upcasters.reduce((state, upcaster) => upcaster(state as Fields), stored))
      } catch {
        return Option.none()
      }
    }
  }
}
