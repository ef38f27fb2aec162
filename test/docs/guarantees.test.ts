/** Holds docs/guarantees.md against the tests that it names, so that no row can lie. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Option, Schema } from "effect"
import { Dag, Engine, Heddle, Module, Run, Timeline } from "heddle"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Ts from "typescript"
import * as Page from "./Page.js"

const page = Page.read("docs/guarantees.md")
const [introduction] = page.split("\n## ")
const promises = Page.rows(Page.sections(page, 2).get("What is promised")!)

/** What tests, groups of tests and checks of the contract in a file are called; what a template fills in is left open. */
const titlesIn = (file: string): ReadonlyArray<string> => {
  const titles: Array<string> = []
  const visit = (node: Ts.Node): void => {
    const isTitled = Ts.isCallExpression(node) && !node.expression.getText().startsWith("assert")
    const title = isTitled ? node.arguments[0] : Ts.isPropertyAssignment(node) ? node.name : undefined
    if (title !== undefined && Ts.isStringLiteralLike(title)) titles.push(title.text)
    if (title !== undefined && Ts.isTemplateExpression(title)) titles.push(title.getText())
    Ts.forEachChild(node, visit)
  }
  visit(Ts.createSourceFile(file, Page.read(file), Ts.ScriptTarget.ES2022, true))
  return titles
}

/** A file, and the titles in it that are named. */
const named = (cell: string) =>
  cell.split("; `").map((part, i) => {
    const [, file, titles] = /^`([^`]+)` (.*)$/.exec(i === 0 ? part : `\`${part}`) ?? ["", part, ""]
    return { file, titles: Array.fromIterable(titles.matchAll(/"([^"]+)"/g)).map(([, title]) => title!) }
  })

describe("docs/guarantees.md", () => {
  it("has rows of a promise, what it is with, known failures and tests", () => {
    const failures = Page.rows(introduction!).map(([name]) => name!)
    assert.isAbove(failures.length, 10)
    assert.isAbove(promises.length, 40)
    const against = new Set<string>()
    for (const row of promises) {
      assert.lengthOf(row, 4, row.join(" | "))
      const [promise, failure, shown] = [row[0], row[2], row[3]]
      assert.isNotEmpty(promise)
      assert.isNotEmpty(shown)
      for (const name of failure!.split(", ")) {
        assert.include(failures, name, promise)
        against.add(name)
      }
    }
    assert.sameMembers([...against], failures)
  })

  it("names tests that there are, and that run", () => {
    const known = new Map<string, ReadonlyArray<string>>()
    for (const [promise, shown] of promises.map((row) => [row[0], row[3]])) {
      for (const { file, titles } of named(shown!)) {
        assert.isTrue(Fs.existsSync(Path.resolve(import.meta.dirname, "../..", file)), `${file}, of: ${promise}`)
        assert.match(file, /^test\/.*\.test\.ts$|^test\/types\/|^src\/testing\/internal\/contract\//)
        assert.isAbove(titles.length, 0, `${file}, of: ${promise}`)
        if (!known.has(file)) {
          assert.notMatch(Page.read(file), /\b(it|test|describe)[\w.]*\.(skip|todo|only|fails|skipIf|runIf)\b/, file)
          known.set(file, file.startsWith("test/types/") ? [Page.read(file)] : titlesIn(file))
        }
        for (const title of titles) {
          assert.isAtLeast(title.length, 8)
          assert.isTrue(
            known.get(file)!.some((text) => text.includes(title)),
            `${file} has no "${title}", of: ${promise}`
          )
        }
      }
    }
    assert.isAbove(known.size, 20)
  })
})

describe("a run", () => {
  it.live("is stored before anything of it runs", () =>
    Effect.gen(function* () {
      const n = Module.input("n", Schema.Int)
      const look = Module.make("look", {
        needs: { n },
        output: Schema.Unknown,
        run: () =>
          Effect.gen(function* () {
            const timeline = yield* Timeline.Timeline
            const { input, policy } = Option.getOrThrow(yield* timeline.get(yield* Run.id))
            return { input, durability: policy.durability }
          })
      })
      const Looking = Dag.make("looking", { outputs: { look } })
      for (const durability of ["buffered", "committed", "fsynced"] as const) {
        const outputs = yield* Engine.execute(Looking, { n: 7 }, { durability })
        assert.deepStrictEqual(outputs, { look: { input: '{"n":"7"}', durability } })
        const handle = yield* Engine.start(Looking, { n: 8 }, { durability })
        const timeline = yield* Timeline.Timeline
        assert.strictEqual(Option.getOrThrow(yield* timeline.get(handle.id)).input, '{"n":"8"}')
      }
    }).pipe(Effect.provide(Heddle.layerSqlite({ filename: ":memory:" })))
  )
})
