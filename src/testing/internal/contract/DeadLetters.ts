/**
 * What is kept of what could not be written.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import { type DeadLetter, RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal } from "./Expect.js"
import { become, commit, newRun } from "./Rows.js"

const letter = (message: string, fields?: Partial<DeadLetter>): DeadLetter => ({
  at: 1000,
  kind: "run",
  key: "a",
  epoch: 1,
  reason: "lost",
  message,
  count: 1,
  updates: "[]",
  ...fields
})

const bury = (...letters: ReadonlyArray<DeadLetter>) =>
  Effect.flatMap(RunStore, (store) => Effect.forEach(letters, store.bury, { discard: true }))

const read = (limit: number, key?: string) => Effect.flatMap(RunStore, (store) => store.deadLetters({ limit, key }))

export const checks = Check.group("dead letters", {
  "are none at first": Effect.flatMap(read(9), (letters) => equal(letters, [])),

  "are kept as they are": Effect.gen(function* () {
    const letters = [
      letter("", { at: 0.1 + 0.2, reason: "failed", updates: JSON.stringify(["x".repeat(1_000_000), "é😀"]) }),
      letter("it's\na \u0000 message", { kind: "state", epoch: null, reason: "failed", count: 0 }),
      letter("third", { key: "no such run", epoch: 7, count: 12_345 })
    ]
    yield* bury(...letters)
    yield* equal(yield* read(9), Array.reverse(letters))
  }),

  "are read last first, whatever their times are, and no more than asked for": Effect.gen(function* () {
    const letters = [5, 1, 9, 9, 3].map((at, i) => letter(`${i}`, { at }))
    yield* bury(...letters)
    yield* equal(yield* read(Infinity), Array.reverse(letters))
    yield* equal(yield* read(2), Array.reverse(letters).slice(0, 2))
    yield* equal(yield* read(0), [])
  }),

  "are read of one key": Effect.gen(function* () {
    const letters = Array.makeBy(9, (i) =>
      letter(`${i}`, { key: ["a", "b", "o'k"][i % 3]!, kind: i % 2 === 0 ? "run" : "state" })
    )
    yield* bury(...letters)
    for (const key of ["a", "b", "o'k", "c", ""]) {
      const expected = Array.reverse(letters).filter((one) => one.key === key)
      yield* equal(yield* read(Infinity, key), expected, key)
      yield* equal(yield* read(2, key), expected.slice(0, 2), key)
    }
  }),

  "of equal content are each kept": Effect.gen(function* () {
    yield* bury(letter("same"), letter("same"))
    yield* equal(yield* read(9), [letter("same"), letter("same")])
    const { deadLetters } = yield* (yield* RunStore).storage
    yield* equal(deadLetters, 2)
  }),

  "of a run go with it, and those of a state of that name do not": Effect.gen(function* () {
    const store = yield* RunStore
    const ofState = letter("of the state", { kind: "state", epoch: null })
    const ofOther = letter("of another run", { key: "b" })
    for (const name of ["a", "b"]) yield* store.open(newRun(name))
    yield* bury(letter("of the run"), ofState, ofOther, letter("of the run too"))
    yield* commit(become("a", 1, "completed"))
    yield* equal(yield* store.prune({ keep: 0, endedBefore: Infinity, limit: 9 }), 1)
    yield* equal(yield* read(9), [ofOther, ofState])
  })
})
