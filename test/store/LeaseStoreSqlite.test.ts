import { assert, describe, it } from "@effect/vitest"
import { Context, type Duration, Effect, Fiber, Layer, Option, TestClock } from "effect"
import type { StoreError } from "heddle/model/StoreError"
import { LeaseStore } from "heddle/store/LeaseStore"
import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
import { inTurn } from "./inTurn.js"
import { leaseContract } from "./leaseContract.js"
import * as SqliteFile from "./SqliteFile.js"

const { connect, execute, temporaryFile } = SqliteFile

/** A store in the scope of the test. */
const open = (filename: string, options?: { readonly lockTimeout: Duration.DurationInput }) =>
  Effect.map(Layer.build(LeaseStoreSqlite.layer({ filename, ...options })), Context.get(LeaseStore))

/** Two stores in one file, as two processes have them. */
const both = Layer.scoped(
  LeaseStore,
  Effect.gen(function* () {
    const filename = yield* temporaryFile
    return inTurn(yield* open(filename), yield* open(filename))
  })
)

leaseContract("LeaseStoreSqlite, in memory", () => LeaseStoreSqlite.layer({ filename: ":memory:" }))
leaseContract("LeaseStoreSqlite, in a file", () =>
  Layer.unwrapScoped(Effect.map(temporaryFile, (filename) => LeaseStoreSqlite.layer({ filename })))
)
leaseContract("LeaseStoreSqlite, as two stores in one file", () => both, 20)

const r = { resource: "r", holder: "one", ttl: 100 }

describe("LeaseStoreSqlite", () => {
  it.scoped("keeps leases, tokens and the line when it is opened again", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const token = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(filename)
          yield* store.acquire({ ...r, above: 41 })
          yield* store.enqueue({ ...r, holder: "two" })
          const released = yield* store.acquire({ ...r, resource: "released" })
          assert(released._tag === "Acquired")
          assert.isTrue(yield* store.release(released.lease))
          return released.lease.token
        })
      )
      yield* TestClock.adjust(99)
      const store = yield* open(filename)
      assert.deepStrictEqual(
        yield* store.get("r"),
        Option.some({ resource: "r", holder: "one", token: 42, remaining: 1 })
      )
      assert.strictEqual(yield* store.enqueue({ ...r, holder: "three" }), 2)
      const next = yield* store.acquire({ ...r, resource: "released" })
      assert(next._tag === "Acquired")
      assert.isAbove(next.lease.token, token)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* store.get("r"), Option.none())
    })
  )

  it.scoped("leaves one row for each resource, unless it was forgotten, and none for who waits no longer", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      for (const resource of ["kept", "forgotten"]) {
        for (let i = 0; i < 3; i++) {
          yield* store.enqueue({ ...r, resource, holder: `gone ${i}` })
          yield* TestClock.adjust(100)
          yield* store.enqueue({ ...r, resource })
          const acquired = yield* store.acquire({ ...r, resource })
          assert(acquired._tag === "Acquired")
          assert.isTrue(yield* store.release({ ...acquired.lease, forget: resource === "forgotten" }))
        }
      }
      assert.deepStrictEqual(yield* execute(filename, "SELECT resource, holder FROM leases"), [
        { resource: "kept", holder: "" }
      ])
      assert.deepStrictEqual(yield* execute(filename, "SELECT * FROM lease_waiters"), [])
    })
  )

  it.scopedLive(
    "waits for the lock of another connection, as long as `lockTimeout`, and takes the time after that",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const store = yield* open(filename)
        const impatient = yield* open(filename, { lockTimeout: "30 millis" })
        const acquired = yield* store.acquire({ ...r, ttl: 60_000 })
        assert(acquired._tag === "Acquired")
        const other = yield* connect(filename)
        yield* other.execute("BEGIN IMMEDIATE")
        const waiting = yield* Effect.fork(store.renew({ ...acquired.lease, ttl: 120_000 }))
        const writes: ReadonlyArray<Effect.Effect<unknown, StoreError>> = [
          impatient.acquire(r),
          impatient.renew({ ...acquired.lease, ttl: 1 }),
          impatient.release(acquired.lease),
          impatient.enqueue(r),
          impatient.dequeue(r)
        ]
        for (const write of writes) assert.strictEqual((yield* Effect.flip(write)).reason, "busy")
        assert.strictEqual(Option.getOrThrow(yield* impatient.get("r")).holder, "one")
        assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
        // what holds the lock ends the lease: whoever waits for the lock finds it so
        yield* other.execute("UPDATE leases SET expires_at = 1")
        yield* other.execute("COMMIT")
        assert.isFalse(yield* Fiber.join(waiting))
      })
  )

  it.scoped("fails once its scope has ended", () =>
    Effect.gen(function* () {
      const closed = yield* Effect.scoped(Effect.flatMap(temporaryFile, open))
      for (const call of [closed.acquire(r), closed.get("r"), closed.enqueue(r)] as ReadonlyArray<
        Effect.Effect<unknown, StoreError>
      >) {
        assert.strictEqual((yield* Effect.flip(call)).reason, "closed")
      }
    })
  )
})
