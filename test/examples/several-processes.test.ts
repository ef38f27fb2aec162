/** `docs/examples/several-processes`: workers that share runs, one of which is killed. */
import { assert, layer, vi } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { temporarySchema } from "../chaos/Database.js"
import { withPostgres } from "../services/Services.js"
import * as Program from "./Program.js"

const main = fileURLToPath(new URL("../../docs/examples/several-processes/main.ts", import.meta.url))

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-pictures-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

// processes take their time on a busy machine
vi.setConfig({ testTimeout: 60_000 })
const bounded = Effect.timeout("30 seconds")

const count = 8

/** What the workers have said of each picture, in order. */
const saidOf = (workers: ReadonlyArray<Program.Process>, picture: string) =>
  workers.flatMap(({ output }) =>
    output.stdout.split("\n").flatMap((line) => {
      const found = new RegExp(`${picture}: (.+) \\(process (\\d+)\\)`).exec(line)
      return found === null ? [] : [{ what: found[1]!, pid: found[2]! }]
    })
  )

const share = (variables: { readonly [name: string]: string }) =>
  Effect.gen(function* () {
    const worker = Effect.tap(Program.startIn(variables, "work"), ({ prints }) => bounded(prints("working")))
    const [first, second] = yield* Effect.all([worker, worker], { concurrency: 2 })
    const workers = [first, second]
    const submitter = yield* Program.startIn(variables, "submit", String(count))
    // both have work, and one of them is killed in the middle of it
    yield* bounded(Effect.all(workers.map(({ prints }) => prints("scaled to"))))
    yield* first.kill("SIGKILL")
    assert.strictEqual(yield* bounded(submitter.ended), 0, submitter.output.stderr)
    assert.strictEqual(submitter.output.stdout, `${count} submitted\n${count} published\n`)
    const pids = new Set<string>()
    for (let i = 0; i < count; i++) {
      const said = saidOf(workers, `picture-${i}`)
      for (const { pid } of said) pids.add(pid)
      // what the one that was killed was doing was done again, by the other; so may be what it had yet to store
      const again = said.length - new Set(said.map(({ what }) => what)).size
      assert.isAtMost(again, 2, JSON.stringify(said))
      assert.includeMembers(
        said.map(({ what }) => what),
        ["scaled to 320", "scaled to 640", "scaled to 1280", "published"]
      )
    }
    assert.strictEqual(pids.size, 2)

    const before = second.output.stdout
    const repeated = yield* Program.startIn(variables, "submit", String(count))
    assert.strictEqual(yield* bounded(repeated.ended), 0, repeated.output.stderr)
    assert.strictEqual(second.output.stdout, before)
  })

layer(Program.layer(main), { excludeTestServices: true })("pictures", (it) => {
  it.scoped("are scaled by two processes over a SQLite file, also when one is killed, and each once", () =>
    Effect.gen(function* () {
      yield* share({ HEDDLE_FILE: Path.join(yield* folder, "pictures.db") })
    })
  )

  withPostgres((url) =>
    it.scoped("are scaled by two processes over PostgreSQL too", () =>
      Effect.gen(function* () {
        const schema = yield* temporarySchema(url)
        yield* share({ HEDDLE_POSTGRES_URL: url, HEDDLE_POSTGRES_SCHEMA: schema })
      })
    )
  )
})
