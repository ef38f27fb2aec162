import { assert, describe, it } from "@effect/vitest"
import { Console, Effect } from "effect"
import * as Main from "../../docs/examples/compute-node/main.js"
import { CountPrimes, RangeTooLarge, layer } from "../../docs/examples/compute-node/Primes.js"
import * as Fs from "node:fs"

describe("compute-node", () => {
  it.effect("counts each part of the ranges once", () =>
    Effect.gen(function* () {
      const console = yield* Console.consoleWith(Effect.succeed)
      const lines: Array<string> = []
      yield* Effect.withConsole(Main.program(100_000, 25_000), {
        ...console,
        log: (...args) => Effect.sync(() => void lines.push(args.join(" ")))
      })
      assert.deepStrictEqual(lines, [
        "9592 primes below 100000: 4 parts computed, 0 known",
        "11734 primes below 125000: 5 parts computed, 4 known"
      ])
    })
  )

  it.effect("fails with its own error for a part that is too large", () =>
    Effect.gen(function* () {
      assert.instanceOf(yield* Effect.flip(CountPrimes.call({ from: 1, to: 2_000_000 })), RangeTooLarge)
    }).pipe(Effect.provide(layer))
  )

  it("prints lines of the form that the README shows", () => {
    const readme = Fs.readFileSync(new URL("../../docs/examples/compute-node/README.md", import.meta.url), "utf8")
    assert.match(readme, /^78498 primes below 1000000: 10 parts computed, 0 known$/m)
  })
})
