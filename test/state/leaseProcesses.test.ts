/** A process that stands still, by SIGSTOP, while it holds a lease by `withLease`, and goes on when another one has it. */
import { assert, layer, vi } from "@effect/vitest"
import { Effect, Option, Redacted, Schema } from "effect"
import { LeaseStore } from "heddle/store/LeaseStore"
import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
import * as PostgresStore from "heddle/store/PostgresStore"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Database from "../chaos/Database.js"
import * as Program from "../examples/Program.js"
import { withPostgres } from "../services/Services.js"
import * as Journal from "./lease/Journal.js"
import { resource, Settings } from "./lease/Settings.js"

const main = fileURLToPath(new URL("./lease/main.ts", import.meta.url))

// processes take their time on a busy machine
vi.setConfig({ testTimeout: 60_000 })

/** Longer than a busy machine keeps a process waiting, in milliseconds: else it loses its lease by itself. */
const ttl = 3000

const temporary = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-lease-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

const layerOf = (leases: Settings["leases"]) =>
  leases._tag === "Sqlite"
    ? LeaseStoreSqlite.layer({ filename: leases.filename })
    : PostgresStore.layerLeaseStore({ url: Redacted.make(leases.url), schema: leases.schema })

const shown = (folder: string, leases: Settings["leases"], looks: boolean) =>
  Effect.gen(function* () {
    const file = Path.join(folder, "journal.db")
    const journal = yield* Journal.open(file)
    const rows = () => Effect.runSync(journal.rows)
    const start = (name: string) => {
      const settings = new Settings({ name, journal: file, leases, ttl, looks })
      return Program.start(JSON.stringify(Schema.encodeSync(Settings)(settings)))
    }
    const rowsOf = (name: string, what: Journal.What) => rows().filter((row) => row.name === name && row.what === what)
    const first = yield* start("first")
    const until = (what: string, check: () => boolean) =>
      Effect.repeat(Effect.sleep(10), { until: check }).pipe(
        Effect.timeoutFail({
          duration: "20 seconds",
          onTimeout: () => `${what} never came true: ${JSON.stringify(rows().slice(-20))} ${first.output.stderr}`
        }),
        Effect.orDie
      )

    const store = yield* LeaseStore
    const present = Effect.map(store.get(resource), Option.getOrUndefined)

    yield* until("first writes", () => rowsOf("first", "wrote").length > 3)
    yield* start("second")
    yield* until("second asks", () => rowsOf("second", "asks").length > 0)

    /** At a moment at which it holds no lock of a file: who waits for that would wait for it to go on. */
    const stop: Effect.Effect<void> = Effect.gen(function* () {
      yield* first.kill("SIGSTOP")
      yield* Effect.sleep("10 millis")
      const files = [file, ...(leases._tag === "Sqlite" ? [leases.filename] : [])]
      const locked = yield* Effect.exists(files, Database.isLocked)
      if (!locked) return
      yield* first.kill("SIGCONT")
      yield* Effect.sleep("5 millis")
      yield* stop
    })
    yield* stop
    const atStop = rowsOf("first", "wrote").length
    assert.match((yield* present)?.holder ?? "", /^first\//, "held by who was stopped, by the clock of the store")
    assert.lengthOf(rowsOf("second", "acquired"), 0)

    yield* until("second writes", () => rowsOf("second", "wrote").length > 3)
    const lease = yield* present
    assert.match(lease?.holder ?? "", /^second\//)
    const [acquired] = rowsOf("second", "acquired")
    const [before] = rowsOf("first", "acquired")
    assert.isAbove(acquired!.token, before!.token)
    assert.strictEqual(lease?.token, acquired!.token)
    assert.lengthOf(rowsOf("first", "wrote"), atStop, "it stands still")

    yield* first.kill("SIGCONT")
    assert.strictEqual(yield* Effect.timeout(first.ended, "20 seconds"), 0, first.output.stderr)
    const { id } = rowsOf("first", "ended")[0]!
    yield* until("second goes on", () => rowsOf("second", "wrote").some((row) => row.id > id))
    assert.strictEqual((yield* present)?.token, acquired!.token, "what is the other's stays with it")

    // nothing of it was accepted since the other one has the lease
    assert.isTrue(rowsOf("first", "wrote").every((row) => row.id < acquired!.id))
    const after = rows()
      .filter((row) => row.name === "first" && row.id > acquired!.id)
      .map(({ what }) => what)
    const refused = after.filter((what) => what === "refused")
    // a timer that was due when it went on may come before the one by which the lease is lost
    assert.isAtMost(refused.length, 1, after.join())
    assert.deepStrictEqual(after.slice(refused.length), [...(looks ? [] : ["interrupted"]), "lost", "ended"])
    for (const what of ["refused", "lost", "interrupted"] as const) assert.lengthOf(rowsOf("second", what), 0)
  }).pipe(Effect.provide(layerOf(leases)))

layer(Program.layer(main), { excludeTestServices: true })(
  "a process that is stopped past the ttl of its lease",
  (it) => {
    const title =
      "is interrupted, or sees for itself that the lease is lost, when it goes on: the other one writes alone, on"

    /** Both at once, each with a store of its own: the time goes by for both. */
    const both = <E, R>(stores: (folder: string) => Effect.Effect<Settings["leases"], E, R>) =>
      Effect.forEach(
        [false, true],
        (looks) =>
          Effect.gen(function* () {
            const folder = yield* temporary
            yield* shown(folder, yield* stores(folder), looks)
          }),
        { concurrency: 2 }
      )

    it.scoped(`${title} SQLite`, () =>
      both((folder) => Effect.succeed({ _tag: "Sqlite", filename: Path.join(folder, "leases.db") }))
    )

    withPostgres((url) =>
      it.scoped(`${title} PostgreSQL`, () =>
        both(() => Effect.map(Database.temporarySchema(url), (schema) => ({ _tag: "Postgres", url, schema })))
      )
    )
  }
)
