import { assert, it } from "@effect/vitest"
import { Console, Effect, Fiber, TestClock } from "effect"
import * as Fs from "node:fs"
import * as Main from "../../docs/examples/effect-node/main.js"

it.effect("the example of effect nodes prints what its README shows", () =>
  Effect.gen(function* () {
    const readme = Fs.readFileSync(new URL("../../docs/examples/effect-node/README.md", import.meta.url), "utf8")
    const [, shown] = /```\n(order a[^`]*)```/.exec(readme)!
    const console = yield* Console.consoleWith(Effect.succeed)
    const lines: Array<string> = []
    const fiber = yield* Effect.fork(
      Effect.withConsole(Main.program, { ...console, log: (line) => Effect.sync(() => void lines.push(String(line))) })
    )
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(fiber)
    // how long it takes is not the same each time
    const timeless = (text: string) => text.replace(/\d+ ms/, "")
    assert.strictEqual(timeless(`${lines.join("\n")}\n`), timeless(shown!))
  })
)
