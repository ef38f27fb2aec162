import { assert, describe, it } from "@effect/vitest"
import {
  Array,
  Context,
  Effect,
  FastCheck,
  Fiber,
  Layer,
  Option,
  Ref,
  Schedule,
  Schema,
  Stream,
  TestClock
} from "effect"
import { SchemaStore } from "heddle"
import { StoreError } from "heddle/model/StoreError"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import { FaultyStateStore } from "heddle/testing"
import { numRuns } from "../numRuns.js"

const memory = Effect.map(Layer.build(StateStoreMemory.layer()), Context.get(StateStore))

const First = Schema.Struct({ count: Schema.Number })
const Second = Schema.Struct({ count: Schema.NumberFromString, unit: Schema.String })

const first = SchemaStore.make({ name: "counts", schema: First, version: 1 })
const second = SchemaStore.make({
  name: "counts",
  schema: Second,
  version: 2,
  migrate: (stored) =>
    Effect.map(Schema.decodeUnknown(First)(stored), ({ count }) => ({ count: String(count), unit: "one" })).pipe(
      Effect.orElseSucceed(() => "not migrated")
    )
})

/** The same schema in a release that has a rule more. */
const strict = SchemaStore.make({
  name: "counts",
  schema: Schema.Struct({ count: Schema.Number.pipe(Schema.nonNegative()) }),
  version: 1
})

const onStore = <A, E>(store: StateStore["Type"], effect: Effect.Effect<A, E, StateStore>) =>
  Effect.provideService(effect, StateStore, store)

const textOf = (store: StateStore["Type"], key: string) =>
  Effect.map(store.get(key), (entry) => Option.getOrUndefined(entry)?.value)

describe("SchemaStore", () => {
  it.scoped("gives what was put there, and keeps its keys apart from those of others", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const counts = yield* onStore(store, second)
      const others = yield* onStore(store, SchemaStore.make({ name: "count", schema: Schema.String, version: 1 }))
      yield* store.set("counts", "not ours")
      yield* store.set("countsk", "nor this")
      assert.deepStrictEqual(yield* counts.get("k"), Option.none())
      const version = yield* counts.set("k", { count: 1, unit: "" })
      yield* others.set("k", "other")
      yield* others.set("s/k", "other")
      assert.deepStrictEqual(yield* counts.get("k"), Option.some({ value: { count: 1, unit: "" }, version }))
      assert.deepStrictEqual(yield* counts.compareAndSet("k", version + 100, { count: 2, unit: "" }), Option.none())
      const next = Option.getOrThrow(yield* counts.compareAndSet("k", version, { count: 2, unit: "" }))
      const listed = { entries: [{ key: "k", value: { count: 2, unit: "" }, version: next }], unreadable: [] }
      assert.deepStrictEqual(yield* counts.list({ prefix: "", limit: 10 }), { ...listed, next: Option.none() })
      assert.deepStrictEqual(yield* counts.getMany(["l", "k", "k"]), listed)
      assert.isTrue(yield* counts.delete("k"))
      assert.isFalse(yield* counts.delete("k"))
      assert.strictEqual(yield* textOf(store, "counts"), "not ours")
      assert.isTrue(Option.isSome(yield* others.get("k")))
    })
  )

  it.scoped.prop(
    "gives any value as it was",
    {
      values: FastCheck.array(
        FastCheck.record({ count: FastCheck.integer(), unit: FastCheck.string({ unit: "grapheme" }) })
      )
    },
    ({ values }) =>
      Effect.gen(function* () {
        const counts = yield* onStore(yield* memory, second)
        for (const [i, value] of values.entries()) yield* counts.set(`k${i}`, value)
        for (const [i, value] of values.entries()) {
          assert.deepStrictEqual(Option.getOrThrow(yield* counts.get(`k${i}`)).value, value)
        }
      }),
    { fastCheck: { numRuns } }
  )

  it.scoped("a value has its time to live, and refuses what is none", () =>
    Effect.gen(function* () {
      const counts = yield* onStore(yield* memory, first)
      yield* counts.set("k", { count: 1 }, { ttl: 100 })
      assert.strictEqual((yield* Effect.flip(counts.set("k", { count: 2 }, { ttl: 0 })))._tag, "StoreError")
      yield* counts.modify("l", () => Effect.succeed({ count: 1 }), { ttl: 100 })
      yield* TestClock.adjust(99)
      assert.lengthOf((yield* counts.list({ prefix: "", limit: 9 })).entries, 2)
      yield* TestClock.adjust(1)
      assert.lengthOf((yield* counts.list({ prefix: "", limit: 9 })).entries, 0)
    })
  )

  it.scoped("what does not fit, or is nothing for JSON, is refused before anything has changed", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const counts = yield* onStore(store, strict)
      const version = yield* counts.set("k", { count: 1 })
      const calls: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>> = [
        counts.set("k", { count: -1 }),
        counts.compareAndSet("k", version, { count: -1 }),
        counts.modify("k", () => Effect.succeed({ count: -1 }))
      ]
      for (const call of calls) {
        const error = yield* Effect.flip(call)
        assert.strictEqual(error._tag, "StateInvalid")
        assert.include(error.message, '"k" in "counts"')
      }
      const loose = yield* onStore(store, SchemaStore.make({ name: "loose", schema: Schema.Unknown, version: 1 }))
      for (const value of [NaN, 1n, { a: new Map() }, "\ud83d"]) {
        assert.strictEqual((yield* Effect.flip(loose.set("k", value)))._tag, "StateInvalid")
      }
      assert.deepStrictEqual(yield* counts.get("k"), Option.some({ value: { count: 1 }, version }))
      assert.deepStrictEqual(yield* loose.get("k"), Option.none())
      const nothing = yield* loose.set("k", undefined)
      assert.deepStrictEqual(yield* loose.get("k"), Option.some({ value: undefined, version: nothing }))
    })
  )

  it.scoped("refuses an empty key, a name that others could share, and a version that is none", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const counts = yield* onStore(store, first)
      const errors = [
        yield* Effect.flip(counts.get("")),
        yield* Effect.flip(counts.set("", { count: 1 })),
        yield* Effect.flip(counts.delete("")),
        yield* Effect.flip(counts.getMany(["k", ""]))
      ]
      for (const error of errors) assert.instanceOf(error, StoreError)
      assert.strictEqual((yield* Effect.flip(counts.get("x".repeat(1000))))._tag, "StoreError")
      for (const wrong of [{ name: "" }, { name: "a/b" }, { name: "\ud83d" }, { version: 0 }, { version: 1.5 }]) {
        const making = SchemaStore.make({ name: "counts", schema: First, version: 1, ...wrong })
        assert.isTrue((yield* Effect.exit(onStore(store, making)))._tag === "Failure", JSON.stringify(wrong))
      }
    })
  )

  describe("an older value", () => {
    it.scoped("is migrated by each read, and stored as it is until it is written", () =>
      Effect.gen(function* () {
        const store = yield* memory
        const old = yield* onStore(store, first)
        const counts = yield* onStore(store, second)
        const version = yield* old.set("k", { count: 7 })
        const migrated = { value: { count: 7, unit: "one" }, version }
        const text = yield* textOf(store, "counts/k")
        const reads = Array.replicate(counts.get("k"), 10)
        for (const entry of yield* Effect.all(reads, { concurrency: "unbounded" })) {
          assert.deepStrictEqual(entry, Option.some(migrated))
        }
        assert.deepStrictEqual((yield* counts.list({ prefix: "", limit: 9 })).entries, [{ key: "k", ...migrated }])
        assert.strictEqual(yield* textOf(store, "counts/k"), text)
        // the release before still reads it
        assert.deepStrictEqual(yield* old.get("k"), Option.some({ value: { count: 7 }, version }))
        yield* counts.modify("k", (value) => Effect.succeed(Option.getOrThrow(value)))
        assert.strictEqual((yield* Effect.flip(old.get("k")))._tag, "StateNewer")
      })
    )

    it.scoped("whose migration fails is left as it is, and the error is that of the migration", () =>
      Effect.gen(function* () {
        const store = yield* memory
        yield* Effect.flatMap(onStore(store, first), (old) => old.set("k", { count: 7 }))
        const text = yield* textOf(store, "counts/k")
        const failing = yield* onStore(
          store,
          SchemaStore.make({
            name: "counts",
            schema: Second,
            version: 3,
            migrate: (_, from) => Effect.fail(`from ${from}` as const)
          })
        )
        const error: SchemaStore.ReadError<`from ${number}`> = yield* Effect.flip(failing.get("k"))
        assert.strictEqual(error, "from 1")
        assert.deepStrictEqual((yield* failing.list({ prefix: "", limit: 9 })).unreadable, [
          { key: "k", error: "from 1" }
        ])
        assert.strictEqual(yield* textOf(store, "counts/k"), text)
      })
    )

    it.scoped("is decoded as it is where there is no migration", () =>
      Effect.gen(function* () {
        const store = yield* memory
        const version = yield* Effect.flatMap(onStore(store, first), (old) => old.set("k", { count: 7 }))
        const later = yield* onStore(store, SchemaStore.make({ name: "counts", schema: First, version: 5 }))
        assert.deepStrictEqual(yield* later.get("k"), Option.some({ value: { count: 7 }, version }))
      })
    )

    it.scoped("takes the services of its migration and of its schema", () =>
      Effect.gen(function* () {
        class Unit extends Context.Tag("Unit")<Unit, string>() {}
        class Other extends Context.Tag("Other")<Other, number>() {}
        const store = yield* memory
        yield* Effect.flatMap(onStore(store, first), (old) => old.set("k", { count: 7 }))
        const schema = Schema.transformOrFail(Schema.Number, Schema.Number, {
          strict: true,
          decode: (n) => Effect.map(Other, (other) => n + other),
          encode: (n) => Effect.map(Other, (other) => n - other)
        })
        const counts = yield* onStore(
          store,
          SchemaStore.make({
            name: "counts",
            schema: Schema.Struct({ count: schema, unit: Schema.String }),
            version: 2,
            migrate: (stored) => Effect.map(Unit, (unit) => ({ ...(stored as object), unit }))
          })
        )
        const reading: Effect.Effect<
          Option.Option<SchemaStore.Entry<{ readonly count: number; readonly unit: string }>>,
          SchemaStore.ReadError,
          Unit | Other
        > = counts.get("k")
        const entry = yield* reading.pipe(Effect.provideService(Unit, "m"), Effect.provideService(Other, 10))
        assert.deepStrictEqual(Option.getOrThrow(entry).value, { count: 17, unit: "m" })
      })
    )
  })

  it.scoped("a newer value is left as it is by whatever reads it", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const old = yield* onStore(store, first)
      yield* Effect.flatMap(onStore(store, second), (counts) => counts.set("k", { count: 7, unit: "m" }))
      yield* store.set("counts/l", '{"heddle":"state","format":2,"something":"else"}')
      const before = yield* store.list({ prefix: "", limit: 9 })
      for (const [key, version] of [
        ["k", 2],
        ["l", null]
      ] as const) {
        const modifying = old.modify(key, () => Effect.die("it is not read"))
        for (const error of [yield* Effect.flip(old.get(key)), yield* Effect.flip(modifying)]) {
          assert.instanceOf(error, SchemaStore.StateNewer)
          assert.deepStrictEqual([error.key, error.version, error.known], [key, version, 1])
        }
      }
      const { entries, unreadable } = yield* old.list({ prefix: "", limit: 9 })
      assert.deepStrictEqual([entries.length, unreadable.map(({ key }) => key)], [0, ["k", "l"]])
      assert.isFalse(yield* old.discard("k"))
      assert.deepStrictEqual(yield* store.list({ prefix: "", limit: 9 }), before)
    })
  )

  describe("a value that does not decode", () => {
    const texts = {
      "is no JSON": "{",
      "is other JSON": '{"count":-1}',
      "is empty": "",
      "is null": "null",
      "does not fit the schema": '{"heddle":"state","format":1,"version":1,"until":null,"value":{"count":-1}}',
      "has half of an envelope": '{"heddle":"state","format":1,"value":{"count":1}}',
      "has a version that is none": '{"heddle":"state","format":1,"version":-1,"until":null,"value":{"count":1}}'
    }
    for (const [what, text] of Object.entries(texts)) {
      it.scoped(`because it ${what} is put aside as it is, until somebody does something about it`, () =>
        Effect.gen(function* () {
          const store = yield* memory
          const counts = yield* onStore(store, strict)
          yield* TestClock.setTime(5000)
          const good = yield* counts.set("good", { count: 1 })
          yield* store.set("counts/k", text)
          const error = yield* Effect.flip(counts.get("k"))
          assert.instanceOf(error, SchemaStore.StateQuarantined)
          assert.deepStrictEqual([error.store, error.key, error.at], ["counts", "k", 5000])
          assert.notStrictEqual(error.cause, undefined)
          const kept = yield* textOf(store, "counts/k")
          const { cause: _, ...same } = error
          const reads: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            counts.get("k"),
            counts.modify("k", () => Effect.die("no")),
            counts.restore("k")
          ]
          for (const again of reads) {
            yield* TestClock.adjust(1000)
            const found = yield* Effect.flip(again)
            assert.instanceOf(found, SchemaStore.StateQuarantined)
            assert.deepStrictEqual([found.reason, found.version, found.at], [same.reason, same.version, same.at])
          }
          assert.strictEqual(yield* textOf(store, "counts/k"), kept)
          const { reason, version, at } = error
          assert.deepStrictEqual(yield* counts.quarantined("k"), Option.some({ text, reason, version, at }))
          assert.deepStrictEqual(yield* counts.quarantined("good"), Option.none())

          const { entries, unreadable } = yield* counts.list({ prefix: "", limit: 9 })
          assert.deepStrictEqual(entries, [{ key: "good", value: { count: 1 }, version: good }])
          assert.deepStrictEqual(
            unreadable.map(({ key, error }) => [key, error._tag]),
            [["k", "StateQuarantined"]]
          )
          assert.isFalse(yield* counts.discard("good"))
          assert.isTrue(yield* counts.discard("k"))
          assert.isFalse(yield* counts.discard("k"))
          assert.deepStrictEqual(yield* counts.get("k"), Option.none())
          assert.lengthOf((yield* counts.list({ prefix: "", limit: 9 })).unreadable, 0)
          // also before what was thrown away is gone from the store
          assert.isTrue(Option.isSome(yield* counts.compareAndSet("k", 0, { count: 2 })))
        })
      )
    }

    it.scoped("is put aside by a list, and by a read of several, which do not fail", () =>
      Effect.gen(function* () {
        const store = yield* memory
        const counts = yield* onStore(store, strict)
        for (const key of ["a", "b", "c", "d", "e"]) {
          if (key < "c") yield* store.set(`counts/${key}`, "bad")
          else yield* counts.set(key, { count: 1 })
        }
        const keysOf = (listed: { readonly entries: ReadonlyArray<{ readonly key: string }> }) =>
          listed.entries.map(({ key }) => key)
        const many = yield* counts.getMany(["e", "a", "d", "never"])
        assert.deepStrictEqual([keysOf(many), many.unreadable.map(({ key }) => key)], [["e", "d"], ["a"]])
        const pages: Array<unknown> = []
        let after: string | undefined = undefined
        do {
          const page: SchemaStore.Listed<unknown> = yield* counts.list({ prefix: "", limit: 2, after })
          pages.push([keysOf(page), page.unreadable.map(({ key }) => key)])
          after = Option.getOrUndefined(page.next)
        } while (after !== undefined)
        assert.deepStrictEqual(pages, [
          [[], ["a", "b"]],
          [["c", "d"], []],
          [["e"], []]
        ])
        assert.isTrue(Option.isSome(yield* counts.quarantined("b")))
      })
    )

    it.scoped("is restored by a release that can read it, with what is left of its time", () =>
      Effect.gen(function* () {
        const store = yield* memory
        const loose = yield* onStore(store, first)
        const counts = yield* onStore(store, strict)
        yield* loose.set("k", { count: -1 }, { ttl: 1000 })
        yield* loose.set("l", { count: -2 })
        const text = yield* textOf(store, "counts/k")
        for (const key of ["k", "l"]) {
          assert.strictEqual((yield* Effect.flip(counts.get(key)))._tag, "StateQuarantined")
          assert.strictEqual((yield* Effect.flip(loose.get(key)))._tag, "StateQuarantined")
        }
        yield* TestClock.adjust(400)
        for (const [key, count] of [
          ["k", -1],
          ["l", -2]
        ] as const) {
          assert.deepStrictEqual(Option.getOrThrow(yield* loose.restore(key)).value, { count })
          assert.deepStrictEqual(Option.getOrThrow(yield* loose.restore(key)).value, { count })
        }
        assert.strictEqual(yield* textOf(store, "counts/k"), text)
        assert.deepStrictEqual(yield* loose.restore("never"), Option.none())
        yield* TestClock.adjust(599)
        assert.isTrue(Option.isSome(yield* loose.get("k")))
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* loose.get("k"), Option.none())
        assert.isTrue(Option.isSome(yield* loose.get("l")))
      })
    )

    it.scoped("is replaced by set and removed by delete", () =>
      Effect.gen(function* () {
        const store = yield* memory
        const counts = yield* onStore(store, strict)
        for (const key of ["k", "l"]) {
          yield* store.set(`counts/${key}`, "bad")
          yield* Effect.flip(counts.get(key))
        }
        const version = yield* counts.set("k", { count: 1 })
        assert.deepStrictEqual(yield* counts.get("k"), Option.some({ value: { count: 1 }, version }))
        assert.isTrue(yield* counts.delete("l"))
        assert.deepStrictEqual(yield* counts.get("l"), Option.none())
      })
    )

    it.scoped("is not put aside in the place of what somebody has written meanwhile", () =>
      Effect.gen(function* () {
        const below = yield* memory
        const text = yield* Effect.flatMap(onStore(below, first), (loose) =>
          Effect.zipRight(loose.set("k", { count: 3 }), textOf(below, "counts/k"))
        )
        const meanwhile = yield* Ref.make<ReadonlyArray<Effect.Effect<unknown, StoreError>>>([
          below.set("counts/k", "bad again"),
          below.set("counts/k", text!)
        ])
        const counts = yield* onStore(
          {
            ...below,
            compareAndSet: (...set) =>
              Effect.gen(function* () {
                const [next, ...others] = yield* Ref.get(meanwhile)
                if (next !== undefined) yield* next
                yield* Ref.set(meanwhile, others)
                return yield* below.compareAndSet(...set)
              })
          },
          strict
        )
        yield* below.set("counts/k", "bad")
        assert.deepStrictEqual(Option.getOrThrow(yield* counts.get("k")).value, { count: 3 })
        assert.strictEqual(yield* textOf(below, "counts/k"), text)
      })
    )

    it.scoped("is put aside once by those who read it at the same time, and stays when the store fails", () =>
      Effect.gen(function* () {
        const below = yield* memory
        yield* below.set("counts/k", "bad")
        const context = yield* Effect.provideService(
          Layer.build(
            FaultyStateStore.layer([{ operation: "compareAndSet", nth: 1, fault: FaultyStateStore.fail("busy") }])
          ),
          StateStore,
          below
        )
        const counts = yield* onStore(Context.get(context, StateStore), strict)
        assert.strictEqual((yield* Effect.flip(counts.get("k")))._tag, "StoreError")
        assert.strictEqual(yield* textOf(below, "counts/k"), "bad")
        const reads = Array.replicate(Effect.flip(counts.get("k")), 10)
        for (const error of yield* Effect.all(reads, { concurrency: "unbounded" })) {
          assert.strictEqual(error._tag, "StateQuarantined")
        }
        assert.strictEqual(Option.getOrThrow(yield* counts.quarantined("k")).text, "bad")
      })
    )
  })

  describe("modify", () => {
    it.scoped("loses no change of those who modify at the same time", () =>
      Effect.gen(function* () {
        const counts = yield* onStore(yield* memory, first)
        const adding = counts.modify("k", (value) =>
          Effect.as(Effect.yieldNow(), {
            count: Option.match(value, { onNone: () => 1, onSome: ({ count }) => count + 1 })
          })
        )
        const fibers = yield* Effect.forkAll(Array.replicate(adding, 10))
        for (let i = 0; i < 100; i++) yield* TestClock.adjust("1 second")
        const entries = yield* Fiber.join(fibers)
        assert.deepStrictEqual(
          entries.map(({ value }) => value.count).sort((a, b) => a - b),
          Array.range(1, 10)
        )
        assert.strictEqual(new Set(entries.map(({ version }) => version)).size, 10)
      })
    )

    it.scoped("gives up when the schedule does, and fails with what `f` fails with", () =>
      Effect.gen(function* () {
        const store = yield* memory
        const counts = yield* onStore(
          store,
          SchemaStore.make({ name: "counts", schema: First, version: 1, retry: Schedule.recurs(3) })
        )
        const calls = yield* Ref.make(0)
        const overtaken = counts.modify("k", () =>
          Effect.gen(function* () {
            const count = yield* Ref.updateAndGet(calls, (n) => n + 1)
            yield* counts.set("k", { count })
            return { count: -1 }
          })
        )
        const error = yield* Effect.flip(overtaken)
        assert.instanceOf(error, SchemaStore.StateContended)
        assert.deepStrictEqual([yield* Ref.get(calls), error.key], [4, "k"])
        assert.deepStrictEqual(Option.getOrThrow(yield* counts.get("k")).value, { count: 4 })
        assert.strictEqual(yield* Effect.flip(counts.modify("k", () => Effect.fail("no" as const))), "no")
      })
    )

    it.scoped("is not tried again when the answer of the store was lost", () =>
      Effect.gen(function* () {
        const below = yield* memory
        const plan: FaultyStateStore.Plan = [
          { operation: "compareAndSet", nth: 1, fault: FaultyStateStore.lostAcknowledgement }
        ]
        const context = yield* Effect.provideService(Layer.build(FaultyStateStore.layer(plan)), StateStore, below)
        const counts = yield* onStore(Context.get(context, StateStore), first)
        const error = yield* Effect.flip(counts.modify("k", () => Effect.succeed({ count: 1 })))
        assert.strictEqual(error._tag, "StoreError")
        assert.lengthOf(yield* Context.get(context, FaultyStateStore.FaultyStateStore).calls, 2)
      })
    )
  })

  it.scoped("tells of the changes of its own keys, by their names", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const counts = yield* onStore(store, first)
      const fiber = yield* Effect.fork(Stream.runCollect(Stream.take(Option.getOrThrow(counts.changes)("k"), 2)))
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      yield* store.set("k", "of nobody")
      yield* counts.set("l", { count: 1 })
      const version = yield* counts.set("k1", { count: 1 })
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      yield* counts.delete("k1")
      assert.deepStrictEqual(Array.fromIterable(yield* Fiber.join(fiber)), [
        { key: "k1", version: Option.some(version) },
        { key: "k1", version: Option.none() }
      ])
      const none = yield* onStore({ ...store, changes: Option.none() }, first)
      assert.isTrue(Option.isNone(none.changes))
    })
  )
})
