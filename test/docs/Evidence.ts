/** The tests that a page names for what it says: that they exist, and that they run. */
import { assert } from "@effect/vitest"
import { Array } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Ts from "typescript"
import * as Page from "./Page.js"

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

/** Holds the cell of each row that names tests against them. Gives the files that are named. */
export const check = (
  rows: Iterable<{ readonly what: string; readonly shownBy: string }>
): ReadonlyMap<string, ReadonlyArray<string>> => {
  const known = new Map<string, ReadonlyArray<string>>()
  for (const { shownBy, what } of rows) {
    for (const { file, titles } of named(shownBy)) {
      assert.isTrue(Fs.existsSync(Path.resolve(import.meta.dirname, "../..", file)), `${file}, of: ${what}`)
      assert.match(file, /^test\/.*\.test\.ts$|^test\/types\/|^src\/testing\/internal\/contract\//)
      assert.isAbove(titles.length, 0, `${file}, of: ${what}`)
      if (!known.has(file)) {
        assert.notMatch(Page.read(file), /\b(it|test|describe)[\w.]*\.(skip|todo|only|fails|skipIf|runIf)\b/, file)
        known.set(file, file.startsWith("test/types/") ? [Page.read(file)] : titlesIn(file))
      }
      for (const title of titles) {
        assert.isAtLeast(title.length, 8)
        assert.isTrue(
          known.get(file)!.some((text) => text.includes(title)),
          `${file} has no "${title}", of: ${what}`
        )
      }
    }
  }
  return known
}
