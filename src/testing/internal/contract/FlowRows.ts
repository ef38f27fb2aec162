/**
 * What the checks of a `FlowStore` have in common.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreError } from "../../../model/StoreError.js"
import { type FlowChange, type FlowEntry, type FlowRow, FlowStore, type Written } from "../../../store/FlowStore.js"
import { equal, isTrue, type Mismatch } from "./Expect.js"

export type Checked<A = void> = Effect.Effect<A, Mismatch | StoreError, FlowStore>

export type Changes = Parameters<FlowStore["Type"]["write"]>[0]

/** A change whose texts tell of which flow and revision it is. */
export const change = (
  name: string,
  version: string,
  revision: number,
  other: Partial<FlowChange> = {}
): FlowChange => ({
  name,
  version,
  fingerprint: `fingerprint of ${name}`,
  status: "active",
  revision,
  text: JSON.stringify({ name, version, revision }),
  at: 1000 + revision,
  actor: "one",
  reason: `for ${revision}`,
  action: "register",
  ...other
})

export const rowOf = ({ fingerprint, name, revision, status, text, version }: FlowRow): FlowRow => ({
  name,
  version,
  fingerprint,
  status,
  revision,
  text
})

export const conflict = (name: string, version: string, actual: number): Written => ({
  _tag: "Conflict",
  name,
  version,
  actual
})

export const changeOf = ({ position: _, ...rest }: FlowEntry): FlowChange => rest

export const limit = 10_000

/** The whole log. */
export const everything: Effect.Effect<ReadonlyArray<FlowEntry>, StoreError, FlowStore> = Effect.flatMap(
  FlowStore,
  (store) => store.log({ after: 0, limit })
)

export const listed: Effect.Effect<ReadonlyArray<FlowRow>, StoreError, FlowStore> = Effect.flatMap(FlowStore, (store) =>
  store.list({ limit })
)

/** Writes them; gives the position. */
export const written = (...changes: Changes): Checked<number> =>
  Effect.gen(function* () {
    const store = yield* FlowStore
    const before = yield* store.position
    const answer = yield* store.write(changes)
    yield* equal(answer._tag, "Written")
    const position = answer._tag === "Written" ? answer.position : 0
    yield* isTrue(Number.isSafeInteger(position) && position > before, `${position} comes after ${before}`)
    return position
  })

/** It is a conflict, and nothing has changed. */
export const conflicts = (expected: Written, ...changes: Changes): Checked =>
  Effect.gen(function* () {
    const store = yield* FlowStore
    const before = [yield* store.position, yield* everything, yield* listed]
    yield* equal(yield* store.write(changes), expected)
    yield* equal([yield* store.position, yield* everything, yield* listed], before, "what is there after a conflict")
  })

/** What is there of a flow is what this change made it. */
export const is = (expected: FlowChange): Checked =>
  Effect.flatMap(FlowStore, (store) =>
    Effect.flatMap(store.get(expected.name, expected.version), (row) => equal(row, Option.some(rowOf(expected))))
  )

/** It fails as what is refused does, and names what is wrong. */
export const refused = (operation: string, shown: string, call: Effect.Effect<unknown, StoreError>): Checked =>
  Effect.gen(function* () {
    const error = yield* Effect.either(call)
    yield* isTrue(error._tag === "Left", `${operation} of ${shown} fails`)
    if (error._tag === "Right") return
    yield* equal([error.left.reason, error.left.operation], ["failed", operation], `${operation} of ${shown}`)
    yield* isTrue(error.left.message.includes(shown), `${shown} is in the message: ${error.left.message}`)
    yield* isTrue(error.left.message.length < 2000, "the message is short enough to be read")
  })
