/** `docs/examples/two-stores`: of two nodes of one application, each has the state that its own store keeps. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { count, layer } from "../../docs/examples/two-stores/main.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-two-stores-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

it.scoped("what is in the file outlives the process, what is in memory does not", () =>
  Effect.gen(function* () {
    const filename = Path.join(yield* folder, "counts.db")
    const start = Effect.provide(Effect.zip(count, count), layer(filename))
    assert.deepStrictEqual(yield* start, [
      { session: 1, total: 1 },
      { session: 2, total: 2 }
    ])
    assert.deepStrictEqual(yield* start, [
      { session: 1, total: 3 },
      { session: 2, total: 4 }
    ])
  })
)
