import { assert, describe, it } from "@effect/vitest"
import { Console, Effect } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Main from "../../docs/examples/reducer-node/main.js"
import * as VirtualClock from "../run/VirtualClock.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-reducer-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

const isOfIntent = (line: string) => line.startsWith("example/seat:")

describe("reducer-node", () => {
  it.scopedLive("prints what the README shows", () =>
    Effect.gen(function* () {
      const console = yield* Console.consoleWith(Effect.succeed)
      const lines: Array<string> = []
      const program = Main.program(Path.join(yield* folder, "seats.db"), "1 minute", "30 minutes").pipe(
        Effect.withConsole({ ...console, log: (...args) => Effect.sync(() => void lines.push(args.join(" "))) })
      )
      yield* VirtualClock.test((time) => time.until(program))
      const readme = Fs.readFileSync(new URL("../../docs/examples/reducer-node/README.md", import.meta.url), "utf8")
      const shown = readme.split("```")[3]!.trim().split("\n")
      assert.deepStrictEqual(
        lines.filter((line) => !isOfIntent(line)),
        shown.filter((line) => !isOfIntent(line))
      )
      assert.deepStrictEqual(lines.filter(isOfIntent), shown.filter(isOfIntent))
    })
  )
})
