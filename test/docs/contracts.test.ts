/** The contracts in the guide are sound, and there is one of each kind. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Contract from "heddle/node/Contract"
import { Transformation } from "heddle/node/Transformation"
import { blocks, read, rows, sections } from "./Page.js"

const page = read("docs/guides/contracts.md")

it.effect("docs/guides/contracts.md has a contract of each kind", () =>
  Effect.gen(function* () {
    const contracts = yield* Effect.forEach(blocks(page, "yaml"), (text) => Contract.parse(text))
    assert.deepStrictEqual(
      contracts.map(({ kind }) => kind),
      ["stateMachine", "workflow", "effect", "compute"]
    )
  })
)

it("docs/guides/contracts.md has all transformations, and what they take", () => {
  const code = Transformation.members.flatMap(({ fields: { do: names, ...fields } }) =>
    names.literals.map((name) => `${name}: ${Object.keys(fields).join(" ")}`)
  )
  const table = rows(sections(page, 2).get("Computations")!).flatMap(([names, takes]) =>
    names!.split(", ").map((name) => `${name}: ${takes}`.replaceAll(/[`,]/g, ""))
  )
  assert.sameMembers(table, code)
})

it("docs/guides/contracts.md has the limits", () => {
  const section = sections(page, 2).get("Hashes and limits")!
  for (const [name, value] of Object.entries(Contract.defaults))
    assert.match(section, new RegExp(`\`${name}\`\\s\\(${Number(value).toLocaleString("en-US")}`))
})
