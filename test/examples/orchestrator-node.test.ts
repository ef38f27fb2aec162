import { assert, it } from "@effect/vitest"
import { Console, Effect } from "effect"
import { program } from "../../docs/examples/orchestrator-node/main.js"
import * as VirtualClock from "../run/VirtualClock.js"
import * as Fs from "node:fs"

const readme = Fs.readFileSync(new URL("../../docs/examples/orchestrator-node/README.md", import.meta.url), "utf8")

it.effect("the example of the orchestrator node prints what its README shows", () =>
  VirtualClock.test((time) =>
    Effect.gen(function* () {
      const console = yield* Console.consoleWith(Effect.succeed)
      const lines: Array<string> = []
      yield* Effect.withConsole(time.until(program), {
        ...console,
        log: (...args) => Effect.sync(() => void lines.push(args.join(" ")))
      })
      assert.strictEqual(lines.join("\n"), /\n```\n(order-1[^`]*)\n```/.exec(readme)?.[1])
    })
  )
)
