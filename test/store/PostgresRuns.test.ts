/** Several processes that change a run at the same time, and what is left of one that was pruned. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as PostgresRunStore from "../../src/store/internal/PostgresRunStore.js"
import { RunStore } from "../../src/store/RunStore.js"
import * as RunStoreMemory from "../../src/store/RunStoreMemory.js"
import type { Transition } from "../../src/model/Transition.js"
import {
  batchOf,
  become,
  changesOf,
  failure,
  item,
  moduleChange,
  moduleTransition,
  newRun,
  runId,
  runTransition,
  signal,
  sorted,
  step,
  suspend
} from "../../src/testing/internal/contract/Rows.js"
import { whole } from "../../src/testing/internal/contract/Storage.js"
import { withPostgres } from "../services/Services.js"
import * as PostgresDatabases from "./PostgresDatabases.js"

const ended = (name: string) => Object.assign(whole(name, 10), { epoch: 1 })
const pruned = { keep: 0, endedBefore: 1000, limit: 100 }

const odd = "\u0000\u0001\u0002é"
/** Longer than an index takes. */
const long = odd.repeat(1000)

/** Whatever may be any text is an odd one; all that is answered. */
const oddAnswers = (store: RunStore["Type"]) =>
  Effect.gen(function* () {
    const answers: Array<unknown> = []
    const ask = <A, E>(effect: Effect.Effect<A, E>) => Effect.map(effect, (answer) => void answers.push(answer))
    const [a, b] = [runId("odd a"), runId("odd b")]
    const policy = `{"name":"${odd}"}`
    const input = `{"cart":"${odd}"}`
    const signals = JSON.stringify([odd, long])
    for (const runId of [a, b]) {
      const run = { ...newRun(runId), dag: odd, fingerprint: odd, owner: odd, policy, input, signals }
      for (const _ of [1, 2]) yield* ask(store.open(run))
    }
    const shared: Transition = { _tag: "SharedTransition", seq: 2, at: 1002, shared: { [odd]: odd } }
    const changes = changesOf(a, {
      modules: [
        moduleChange(odd, { status: "failed", failure: odd, output: odd }),
        moduleChange(long, { status: "completed", output: long }),
        moduleChange(`suspended${odd}`, { status: "suspended", output: odd })
      ],
      items: [
        item(long, 0, "completed"),
        item(odd, 0, "completed", { output: odd }),
        item(odd, 1, "failed", { failure: odd })
      ],
      shared: [odd, long].map((cell) => ({ cell, value: cell })),
      transitions: [
        moduleTransition(1, odd, "failed", { failure: { ...failure, message: odd } }),
        shared,
        runTransition(3, "suspended")
      ],
      status: "suspended"
    })
    const states = [
      {
        key: odd,
        set: new Map([
          [odd, odd],
          [long, long],
          ["gone", odd]
        ]),
        clear: new Set<string>()
      }
    ]
    yield* ask(store.commit({ runs: [changes], states, synced: false }))
    yield* ask(
      store.commit({ runs: [], states: [{ key: odd, set: new Map(), clear: new Set(["gone"]) }], synced: false })
    )
    yield* ask(store.keepSnapshot({ runId: a, epoch: 1 }))
    for (const run of [a, b]) {
      for (const module of [odd, odd, long, long]) {
        yield* ask(store.signal({ runId: run, module, closed: false, value: module }))
      }
    }
    const read = Effect.gen(function* () {
      for (const run of [a, b]) {
        yield* ask(store.run(run))
        yield* ask(
          Effect.map(store.get(run), (found) =>
            found._tag === "None" ? found : sorted(found.value.modules, JSON.stringify)
          )
        )
        yield* ask(
          Effect.map(store.get(run), (found) =>
            found._tag === "None"
              ? found
              : sorted<unknown>([...found.value.shared, ...found.value.items], JSON.stringify)
          )
        )
        yield* ask(Effect.map(store.items(run, [odd, long]), (rows) => sorted(rows, JSON.stringify)))
        yield* ask(store.outputs(run, [odd, long, `suspended${odd}`]))
        yield* ask(store.history(run, { after: 0, limit: 100 }))
        yield* ask(
          Effect.map(store.snapshot(run, {}), (found) =>
            found._tag === "None"
              ? found
              : sorted<unknown>([...found.value.stored.modules, ...found.value.stored.items], JSON.stringify)
          )
        )
      }
      yield* ask(Effect.map(store.signals([a, b]), (rows) => sorted(rows, JSON.stringify)))
      yield* ask(store.state(odd))
      yield* ask(store.list({ dag: odd, limit: 10, before: { createdAt: 1000, runId: b } }))
      yield* ask(store.due({ fingerprints: [odd], now: 9000, expiredBefore: 8000, limit: 10 }))
    })
    yield* read
    yield* ask(store.heartbeat([{ runId: a, epoch: 1 }], 2000))
    yield* ask(store.claim({ runId: a, owner: `two${odd}`, now: 9000, expiredBefore: 8000, reopen: false }))
    yield* ask(store.run(a))
    yield* ask(store.release({ runId: a, epoch: 2 }))
    yield* read
    yield* ask(store.commit(batchOf(become(b, 1, "failed"))))
    yield* ask(store.claim({ runId: b, owner: odd, now: 9000, expiredBefore: 8000, reopen: true }))
    yield* ask(store.commit(batchOf(become(b, 2, "failed", { epoch: 2 }))))
    yield* ask(
      store.bury({ at: 1, kind: "run", key: b, epoch: 1, reason: "failed", count: 1, message: odd, updates: odd })
    )
    yield* ask(store.deadLetters({ key: b, limit: 10 }))
    yield* ask(store.prune({ keep: 0, endedBefore: 9000, limit: 10 }))
    yield* ask(store.deadLetters({ limit: 10 }))
    return answers
  })

withPostgres((url) =>
  describe("runs in PostgreSQL", () => {
    const shared = PostgresDatabases.share(url)

    const setup = Effect.sync(() => {
      const { databases, real } = shared()
      const make = (database: (typeof databases)[number]) =>
        PostgresRunStore.make(database, { isClockGiven: database !== real })
      return { ...shared(), one: make(databases[0]), other: make(databases[1]), byItsClock: make(real) }
    })

    /** While somebody is in the middle of changing a run, others begin to; then it commits. */
    const meanwhile = <A, E>(change: string, name: string, others: ReadonlyArray<Effect.Effect<A, E>>) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { blocked, held } = yield* setup
          const somebody = yield* held
          yield* somebody.begin
          yield* somebody.database.writeOnce("test", (connection) =>
            connection.execute(`UPDATE heddle.runs SET ${change} WHERE run_id = $1`, [name], undefined)
          )
          const fibers = yield* Effect.forEach(others, (other) => Effect.fork(other))
          yield* blocked(others.length)
          yield* somebody.commit
          return yield* Effect.forEach(fibers, Fiber.join)
        })
      )

    it.scoped("are claimed by one of two", () =>
      Effect.gen(function* () {
        const { one, other } = yield* setup
        yield* one.open(newRun("claimed"))
        const claim = { runId: runId("claimed"), now: 9000, expiredBefore: 8000, reopen: false }
        const claims = yield* meanwhile("dag = dag", "claimed", [
          one.claim({ ...claim, owner: "two" }),
          other.claim({ ...claim, owner: "three" })
        ])
        assert.deepStrictEqual(claims.map(({ _tag }) => _tag).sort(), ["Claimed", "Held"])
        for (const answer of claims) assert.isTrue(answer._tag !== "Unknown" && answer.run.epoch === 2)
      })
    )

    it.scoped("are not written by a driver to whom they were lost meanwhile", () =>
      Effect.gen(function* () {
        const { one } = yield* setup
        yield* one.open(newRun("lost"))
        const changes = step("lost", 1, "m", "completed")
        const refused = yield* meanwhile("epoch = 2", "lost", [one.commit(batchOf(changes))])
        assert.deepStrictEqual(refused, [[changes]])
        assert.deepStrictEqual(yield* one.history(runId("lost"), { after: 0, limit: 10 }), [])
        const heartbeat = { runId: runId("lost"), epoch: 2 }
        assert.deepStrictEqual(yield* meanwhile("epoch = 3", "lost", [one.heartbeat([heartbeat], 5000)]), [
          [runId("lost")]
        ])
      })
    )

    it.scoped("are due when a signal comes while they are being suspended", () =>
      Effect.gen(function* () {
        const { one, other } = yield* setup
        yield* one.open(newRun("asked"))
        yield* meanwhile<unknown, unknown>("dag = dag", "asked", [
          one.commit(batchOf(suspend("asked", 1, 5000))),
          other.signal(signal("asked", "ask"))
        ])
        const due = yield* one.due({ fingerprints: ["f1"], now: 9000, expiredBefore: 0, limit: 100 })
        const run = yield* one.run(runId("asked"))
        assert.strictEqual(run._tag === "Some" ? run.value.wakeAt : undefined, 0)
        // it still has its driver
        assert.notInclude(
          due.runs.map(({ runId }) => runId),
          runId("asked")
        )
      })
    )

    it.scoped("are not pruned when they were resumed meanwhile, and of those that are nothing is left", () =>
      Effect.gen(function* () {
        const { execute, one } = yield* setup
        const rows = (name: string) =>
          Effect.gen(function* () {
            const [{ id }] = yield* execute("SELECT id FROM heddle.runs WHERE run_id = $1", [name])
            const tables = yield* execute(
              `SELECT c.relname AS name FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
                WHERE a.attname = 'run' AND c.relkind = 'r'
                  AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'heddle.runs'::regclass)
                ORDER BY c.relname`
            )
            const counts = yield* Effect.forEach(tables, ({ name }) =>
              Effect.map(
                execute(`SELECT count(*)::int AS count FROM heddle.${name} WHERE run = $1`, [id]),
                ([{ count }]) => [String(name), Number(count)] as const
              )
            )
            return { id: Number(id), counts }
          })
        for (const name of ["kept", "pruned"]) {
          yield* one.open(newRun(name))
          yield* one.commit(batchOf(step(name, 1, "m", "running")))
          yield* one.signal(signal(name, "ask"))
          yield* one.keepSnapshot({ runId: runId(name), epoch: 1 })
          yield* one.commit(batchOf({ ...ended(name), transitions: become(name, 2, "failed").transitions }))
          yield* execute("UPDATE heddle.runs SET finished_at = 10 WHERE run_id = $1", [name])
        }
        const before = yield* rows("pruned")
        assert.sameMembers(
          before.counts.map(([table]) => table),
          ["inputs", "items", "modules", "run_snapshots", "shared", "signals", "transitions"]
        )
        for (const [table, count] of before.counts) assert.isAbove(count, 0, table)

        assert.deepStrictEqual(
          yield* meanwhile("status = 'running', finished_at = NULL", "kept", [one.prune(pruned)]),
          [1]
        )
        assert.deepStrictEqual((yield* rows("kept")).counts, before.counts)
        for (const [table] of before.counts) {
          assert.deepStrictEqual(
            yield* execute(`SELECT run FROM heddle.${table} WHERE run = $1`, [before.id]),
            [],
            table
          )
        }
      })
    )

    it.effect("are given back with whatever texts they have", () =>
      Effect.gen(function* () {
        const { one } = yield* setup
        const expected = yield* Effect.provide(Effect.flatMap(RunStore, oddAnswers), RunStoreMemory.layer())
        const answers = yield* oddAnswers(one)
        for (const [i, answer] of answers.entries()) assert.deepStrictEqual(answer, expected[i], `answer ${i}`)
      })
    )

    it.scoped("are driven by whom the database's clock says, whatever that of the caller does", () =>
      Effect.gen(function* () {
        const { byItsClock } = yield* setup
        const driven = { runId: runId("clock"), epoch: 1 }
        const dueAt = (now: number, age: number) =>
          Effect.map(
            byItsClock.due({ fingerprints: ["clock"], now, expiredBefore: now - age, limit: 10 }),
            ({ runs }) => runs.length
          )
        yield* byItsClock.open({ ...newRun("clock"), fingerprint: "clock" })
        assert.deepStrictEqual([yield* dueAt(0, 60_000), yield* dueAt(0, -60_000)], [0, 1])
        for (const at of [0, 1e15]) {
          yield* byItsClock.heartbeat([driven], at)
          for (const now of [0, 1e15]) {
            assert.deepStrictEqual([yield* dueAt(now, 60_000), yield* dueAt(now, -60_000)], [0, 1])
            const claim = yield* byItsClock.claim({
              runId: driven.runId,
              owner: "two",
              now,
              expiredBefore: now - 60_000,
              reopen: false
            })
            // by the clock of who asks
            assert.isTrue(claim._tag === "Held" && Math.abs(claim.run.heartbeatAt - now) < 30_000)
          }
        }
      })
    )
  })
)
