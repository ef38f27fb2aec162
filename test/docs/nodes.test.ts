/** Holds the table of states in docs/guides/nodes.md against the tests that it names. */
import { assert, it } from "@effect/vitest"
import * as Evidence from "./Evidence.js"
import * as Page from "./Page.js"

it("docs/guides/nodes.md names a test for each state of each kind of node", () => {
  const rows = Page.rows(Page.sections(Page.read("docs/guides/nodes.md"), 2).get("State")!)
  for (const kind of ["compute", "effect", "reducer", "orchestrator"]) {
    assert.isAbove(rows.filter(([state]) => state!.startsWith(`${kind}: `)).length, 1, kind)
  }
  for (const row of rows) assert.lengthOf(row, 4, row.join(" | "))
  Evidence.check(rows.map((row) => ({ what: row[0]!, shownBy: row[3]! })))
})
