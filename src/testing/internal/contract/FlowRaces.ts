/**
 * Writes at the same time.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { StoreError } from "../../../model/StoreError.js"
import { type FlowEntry, FlowStore } from "../../../store/FlowStore.js"
import * as Check from "./Check.js"
import { equal, isTrue, type Mismatch } from "./Expect.js"
import { change, type Changes, type Checked, conflict, everything, limit, listed, written } from "./FlowRows.js"
import { at } from "./Moment.js"

// Who waits for a lock does so in real time, under any clock of a test.
const together = <A, E, R>(calls: ReadonlyArray<Effect.Effect<A, E, R>>): Effect.Effect<globalThis.Array<A>, E, R> =>
  at(1000)(Effect.all(calls, { concurrency: "unbounded" }))

const keyOf = ({ name, version }: { readonly name: string; readonly version: string }) => `${name} ${version}`

/** The log tells an order of all changes: positions grow, each flow's revisions count from 1, and its rows are the last ones. */
const tellsAnOrder: Checked<ReadonlyArray<FlowEntry>> = Effect.gen(function* () {
  const entries = yield* everything
  const last = new Map<string, FlowEntry>()
  let before = 0
  for (const entry of entries) {
    yield* isTrue(entry.position > before, `${entry.position} comes after ${before}`)
    yield* equal(entry.revision, (last.get(keyOf(entry))?.revision ?? 0) + 1, `the next revision of ${keyOf(entry)}`)
    before = entry.position
    last.set(keyOf(entry), entry)
  }
  for (const row of yield* listed) yield* equal(row.text, last.get(keyOf(row))?.text, `what ${keyOf(row)} is`)
  return entries
})

/** Writes until it is no conflict. */
const insist = (changesOf: (revisions: ReadonlyMap<string, number>) => Changes) =>
  Effect.gen(function* () {
    const store = yield* FlowStore
    for (;;) {
      const revisions = new Map((yield* listed).map((row) => [keyOf(row), row.revision]))
      yield* Effect.yieldNow()
      const answer = yield* store.write(changesOf(revisions))
      if (answer._tag === "Written") return answer.position
    }
  })

export const checks = Check.group("at the same time", {
  "one write wins of those that are made of the same revision": Effect.gen(function* () {
    const store = yield* FlowStore
    for (const revision of [1, 2, 3]) {
      const answers = yield* together(
        Array.makeBy(15, (i) =>
          store.write([change("a", "1", revision, { text: `${i}` }), change(`b${i}`, "1", revision)])
        )
      )
      const won = answers.flatMap(({ _tag }, i) => (_tag === "Written" ? [i] : []))
      yield* equal(won.length, 1, "how many have won")
      for (const answer of answers) {
        if (answer._tag !== "Written") yield* equal(answer, conflict("a", "1", revision))
      }
      const row = yield* store.get("a", "1")
      yield* equal(
        Option.map(row, ({ text }) => text),
        Option.some(String(won[0])),
        "the text of who has won"
      )
      // so that all of them can come again
      for (const i of Array.range(0, 14)) if (i !== won[0]) yield* written(change(`b${i}`, "1", revision))
    }
    yield* tellsAnOrder
  }),

  "none is lost of those that try again, and the log tells their order": Effect.gen(function* () {
    const count = (writer: number) =>
      Effect.repeatN(
        insist((revisions) => [change("a", "1", (revisions.get("a 1") ?? 0) + 1, { actor: `${writer}` })]),
        4
      )
    yield* together(Array.makeBy(5, count))
    const entries = yield* tellsAnOrder
    yield* equal(entries.length, 25)
    for (const writer of [0, 1, 2, 3, 4]) {
      yield* equal(entries.filter(({ actor }) => actor === `${writer}`).length, 5, `the changes of ${writer}`)
    }
  }),

  "writes of several flows in different orders all come to their end, one after the other": Effect.gen(function* () {
    const names = ["a", "b", "c"]
    yield* together(
      Array.makeBy(6, (writer) =>
        Effect.repeatN(
          insist((revisions) => {
            const next = names.map((name) => change(name, "1", (revisions.get(`${name} 1`) ?? 0) + 1))
            const [first, ...others] = [...next.slice(writer % 3), ...next.slice(0, writer % 3)]
            // there are three
            return [first!, ...others]
          }),
          2
        )
      )
    )
    const entries = yield* tellsAnOrder
    yield* equal(entries.length, 54)
    for (const three of Array.chunksOf(entries, 3)) {
      yield* equal(new Set(three.map(({ revision }) => revision)).size, 1, "nothing is between the changes of a write")
    }
  }),

  "a write is seen as a whole, and who goes on reading the log misses none": Effect.gen(function* () {
    const store = yield* FlowStore
    let writing = 3
    const write = (name: string) =>
      Effect.forEach(Array.range(1, 10), (revision) =>
        Effect.zipRight(
          Effect.yieldNow(),
          written(change(name, "1", revision), change(name, "2", revision), change(name, "3", revision))
        )
      ).pipe(Effect.ensuring(Effect.sync(() => writing--)))
    const seen: globalThis.Array<FlowEntry> = []
    const goOn = Effect.gen(function* () {
      const position = yield* store.position
      const after = seen.at(-1)?.position ?? 0
      const page = yield* store.log({ after, limit: 7 })
      yield* isTrue(
        page.every((entry) => entry.position > after),
        `all of them come after ${after}`
      )
      seen.push(...page)
      yield* isTrue(page.length === 7 || (seen.at(-1)?.position ?? 0) >= position, `all up to ${position} can be read`)
      return page.length > 0
    })
    const look = Effect.gen(function* () {
      const rows = yield* listed
      for (const name of ["a", "b", "c"]) {
        const revisions = rows.filter((row) => row.name === name).map(({ revision }) => revision)
        yield* isTrue(
          revisions.length % 3 === 0 && new Set(revisions).size <= 1,
          `a write or none: ${String(revisions)}`
        )
      }
      const own = (yield* store.log({ name: "a", after: 0, limit })).length
      yield* isTrue(own % 3 === 0, `all of a write or none: ${own}`)
    })
    const looking = Effect.zipRight(look, Effect.zipRight(goOn, Effect.yieldNow())).pipe(
      Effect.repeat({ while: () => writing > 0 })
    )
    const writers = ["a", "b", "c"].map((name) => Effect.asVoid(write(name)))
    yield* together<unknown, Mismatch | StoreError, FlowStore>([...writers, Effect.asVoid(looking)])
    yield* Effect.repeat(goOn, { while: (more) => more })
    yield* equal(seen, yield* tellsAnOrder, "what was read page by page")
    yield* equal(seen.length, 90)
  }),

  "an interrupted write has taken place or not, and the next one works": Effect.gen(function* () {
    const store = yield* FlowStore
    let revision = 0
    for (const i of Array.range(0, 29)) {
      const both: Changes = [change("a", "1", revision + 1), change("b", "1", revision + 1)]
      const fiber = yield* Effect.fork(at(1000)(store.write(both)))
      yield* Effect.repeatN(Effect.yieldNow(), i % 6)
      yield* Fiber.interrupt(fiber)
      const now = (yield* listed).map((row) => row.revision)
      yield* isTrue(now.length !== 1 && new Set(now).size <= 1, `all or nothing: ${String(now)}`)
      const present = now[0] ?? 0
      yield* isTrue(present === revision || present === revision + 1, `${present} after ${revision}`)
      revision = present + 1
      yield* written(change("b", "1", revision), change("a", "1", revision))
    }
    yield* equal((yield* tellsAnOrder).length, 2 * revision)
  })
} satisfies Record<string, Checked>)
