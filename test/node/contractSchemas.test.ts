/** The JSON Schema files that editors read are those that the schemas of contracts make. */
import { assert, describe, it } from "@effect/vitest"
import { JSONSchema } from "effect"
import * as Contract from "heddle/node/Contract"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { format } from "prettier"
import * as Yaml from "yaml"
import { files } from "./contractFiles.js"

const folder = Path.resolve(import.meta.dirname, "../../docs/schemas")
const command = "HEDDLE_WRITE_SCHEMAS=1 npx vitest run test/node/contractSchemas.test.ts"

const generated = (kind: Contract.Kind) => {
  // a union of the schemas of the kinds would lose the name of each
  const one = Contract.schemas[kind] as (typeof Contract.schemas)["compute"]
  // before this draft what stands beside a $ref, such as the bounds of a number, is not looked at
  const schema: unknown = JSONSchema.make(one, { target: "jsonSchema2019-09" })
  return format(JSON.stringify(schema), { parser: "json", printWidth: 120 })
}

describe("docs/schemas", () => {
  for (const kind of ["stateMachine", "workflow", "effect", "compute"] as const) {
    const file = Path.join(folder, `${kind}.schema.json`)

    it(`has what ${kind} makes`, async () => {
      const text = await generated(kind)
      if (process.env["HEDDLE_WRITE_SCHEMAS"] === "1") Fs.writeFileSync(file, text)
      const committed = Fs.existsSync(file) ? Fs.readFileSync(file, "utf8") : ""
      assert.strictEqual(committed, text, `docs/schemas/${kind}.schema.json is out of date. Again: ${command}`)
    })

    it(`has the fields of ${kind}`, async () => {
      const schema = JSON.parse(await generated(kind)) as {
        readonly $ref: string
        readonly $defs: {
          readonly [name: string]: { readonly properties: object; readonly required: ReadonlyArray<string> }
        }
      }
      const { properties, required } = schema.$defs[schema.$ref.split("/").at(-1)!]!
      const example = Yaml.parse(files[kind]) as object
      assert.includeMembers(Object.keys(properties), Object.keys(example))
      assert.includeMembers(Object.keys(example), [...required])
      assert.include(required, "kind")
    })
  }
})
