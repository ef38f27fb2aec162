/** The main file of an example, bundled, for as long as the tests of the example run. */
import { Context, Effect, Layer } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { bundle } from "./Bundle.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Where the file is. */
export class Program extends Context.Tag("heddle/test/examples/Program")<Program, string>() {}

export const layer = (main: string): Layer.Layer<Program> =>
  Layer.scoped(
    Program,
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-example-"))),
        (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
      )
      Fs.symlinkSync(Path.join(root, "node_modules"), Path.join(folder, "node_modules"), "junction")
      yield* Effect.promise(() => bundle({ entryPoints: [main], outdir: folder }))
      return Path.join(folder, "main.mjs")
    })
  )
