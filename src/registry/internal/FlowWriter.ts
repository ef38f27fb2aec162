/** Writes what changes make of flows, and reads them. */
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Flow } from "../../model/Flow.js"
import { FlowConflict, UnknownFlow, type FlowInvalid } from "../../model/FlowError.js"
import { StoreError } from "../../model/StoreError.js"
import type { FlowChange, FlowRow, FlowStore } from "../../store/FlowStore.js"
import type { AuditEntry, By, Revised } from "../FlowRegistryService.js"
import * as FlowCodec from "./FlowCodec.js"
import * as FlowInput from "./FlowInput.js"
import type { Stamp } from "./FlowTransitions.js"

type Action = AuditEntry["action"]

/** A flow as it is to be. */
export interface Next {
  readonly flow: Flow
}

/** What was written: the flows as everybody reads them; or somebody else was faster. */
export type Outcome = { readonly _tag: "Written"; readonly flows: ReadonlyArray<Flow> } | { readonly _tag: "Lost" }

type Changes = Arr.NonEmptyReadonlyArray<FlowChange>

const isNonEmpty = <A>(array: ReadonlyArray<A>): array is Arr.NonEmptyReadonlyArray<A> => array.length > 0

export const make = (options: {
  readonly store: FlowStore["Type"]
  readonly actor: string
  /** Something may have been written. */
  readonly wake: Effect.Effect<void>
}) => {
  const { store, wake } = options

  const stamp = ({ actor = options.actor }: By): Effect.Effect<Stamp> =>
    Effect.map(Clock.currentTimeMillis, (at) => ({ at, actor }))

  /** What is there, also of what was removed; its revision is 0 where there never was anything. */
  const read = (
    name: string,
    version: string
  ): Effect.Effect<{ readonly flow: Flow | undefined; readonly revision: number }, StoreError> =>
    Effect.flatMap(
      store.get(name, version),
      Option.match({
        onNone: () => Effect.succeed({ flow: undefined, revision: 0 }),
        onSome: (row) => Effect.map(FlowCodec.decode(row, "get"), (flow) => ({ flow, revision: row.revision }))
      })
    )

  /** What is written of a flow, and the flow as it will be read: nobody who gave a part of it has that. */
  const row = ({ flow }: Next): Effect.Effect<{ readonly row: FlowRow; readonly flow: Flow }, FlowInvalid> => {
    const { fingerprint, name, revision, status, version } = flow
    const encoded = Either.map(FlowCodec.encode(flow), (text) => {
      const row = { name, version, fingerprint, status, revision, text }
      return { row, read: FlowCodec.decode(row, "write") }
    })
    if (Either.isLeft(encoded)) {
      const { message, path } = encoded.left
      return FlowInput.invalid(name, [{ path: path.join("."), message: `it is ${message}` }])
    }
    // what was encoded can be read
    return Effect.map(Effect.orDie(encoded.right.read), (read) => ({ row: encoded.right.row, flow: read ?? flow }))
  }

  /** All of them, or none: whether they were written. */
  const put = (changes: Changes): Effect.Effect<boolean, StoreError> =>
    Effect.gen(function* () {
      const written = yield* Effect.ensuring(store.write(changes), wake)
      if (written._tag === "Written") return true
      const made = changes.find(({ name, version }) => name === written.name && version === written.version)
      if (made === undefined || made.revision - 1 === written.actual) {
        const location = `the flow ${JSON.stringify(written.name)} ${written.version}`
        // trying again would never end
        return yield* new StoreError({
          reason: "failed",
          location,
          operation: "write",
          message: `the store says that somebody else has changed ${location}, and that it has the revision that it had`
        })
      }
      return false
    })

  /** Writes all of them, or nothing when somebody else was faster with one. */
  const write = (
    nexts: ReadonlyArray<Next>,
    action: Action,
    { reason = "" }: By,
    { actor, at }: Stamp
  ): Effect.Effect<Outcome, FlowInvalid | StoreError> =>
    Effect.gen(function* () {
      const rows = yield* Effect.forEach(nexts, row)
      const changes = rows.map(({ row }): FlowChange => ({ ...row, at, actor, reason, action }))
      if (!isNonEmpty(changes) || (yield* put(changes))) return { _tag: "Written", flows: rows.map(({ flow }) => flow) }
      return { _tag: "Lost" }
    })

  /**
   * Changes one flow. When somebody else was faster it is done again, of what is there then: each time some change has
   * been made. With a `revision`, or where it may not be done `again`, it is a conflict then.
   */
  const change = <E>(
    name: string,
    given: Revised & { readonly version: string },
    action: Action,
    transition: (flow: Flow, stamp: Stamp) => Either.Either<Flow, E>,
    { again = true }: { readonly again?: boolean } = {}
  ): Effect.Effect<Flow, E | UnknownFlow | FlowConflict | FlowInvalid | StoreError> =>
    Effect.gen(function* () {
      const { version } = given
      let expected = given.revision
      for (;;) {
        const { flow } = yield* read(name, version)
        if (flow === undefined) return yield* new UnknownFlow({ name, version })
        if (expected !== undefined && expected !== flow.revision) {
          return yield* new FlowConflict({ name, version, expected, actual: flow.revision })
        }
        const stamped = yield* stamp(given)
        const next = yield* transition(flow, stamped)
        if (next === flow) return flow
        const outcome = yield* write([{ flow: next }], action, given, stamped)
        if (outcome._tag === "Written") return outcome.flows[0] ?? next
        if (!again) expected = flow.revision
      }
    })

  /** Removes a flow, also one that nobody can read: else it would stand in the way of all others for ever. */
  const remove = (
    name: string,
    given: Revised & { readonly version: string }
  ): Effect.Effect<Flow | undefined, UnknownFlow | FlowConflict | StoreError> =>
    Effect.gen(function* () {
      const { reason = "", revision: expected, version } = given
      for (;;) {
        const row = Option.getOrUndefined(yield* store.get(name, version))
        if (row === undefined || row.text === null) return yield* new UnknownFlow({ name, version })
        const { revision: actual } = row
        if (expected !== undefined && expected !== actual) {
          return yield* new FlowConflict({ name, version, expected, actual })
        }
        const flow = FlowCodec.decode(row, "get")
        // a later release can read it
        if (Either.isLeft(flow) && flow.left.reason === "newer") return yield* flow.left
        const stamped = yield* stamp(given)
        const isWritten = yield* put([
          { ...row, ...stamped, revision: actual + 1, text: null, reason, action: "remove" }
        ])
        if (isWritten) return Either.getOrUndefined(flow)
      }
    })

  return { change, read, remove, stamp, write }
}

export type FlowWriter = ReturnType<typeof make>
