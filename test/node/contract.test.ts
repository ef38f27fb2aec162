/** One file for each thing that can be wrong, with the place of the fault; and what holds for every file. */
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, Schema } from "effect"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as Contract from "heddle/node/Contract"
import * as Yaml from "yaml"
import { numRuns } from "../numRuns.js"
import { wrong } from "./contractFaults.js"
import { files } from "./contractFiles.js"

class Slug extends ComputeNode.Service<Slug>()("app/Slug", { input: Schema.String, output: Schema.String }) {}

const faultsOf = (text: string, options: Contract.Options = {}) =>
  Contract.parse(text, options).pipe(
    Effect.flip,
    Effect.map((invalid) => (invalid._tag === "ContractInvalid" ? invalid.faults : assert.fail(invalid.message)))
  )

const machine = (lines: string) => `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
${lines}`

const workflow = (steps: string, head = "") => `kind: workflow
name: publish
${head}steps:
${steps}`

/** The text without its marks, and where these were: `line:column`. */
const unmarked = (text: string) => {
  const marks = text
    .split("▸")
    .slice(0, -1)
    .map((_, at, parts) =>
      parts
        .slice(0, at + 1)
        .join("")
        .split("\n")
    )
  return { text: text.replaceAll("▸", ""), marks: marks.map((lines) => `${lines.length}:${lines.at(-1)!.length + 1}`) }
}

describe("Contract.parse", () => {
  for (const [name, marked, ...expected] of wrong) {
    it.effect(`refuses ${name}`, () =>
      Effect.gen(function* () {
        const { marks, text } = unmarked(marked)
        const faults = yield* faultsOf(text, text.includes("Slug") ? { nodes: { Slug } } : {})
        assert.deepStrictEqual(
          faults.map(({ _tag, path }) => `${path.join(".")} ${_tag}`.trim()),
          expected
        )
        assert.deepStrictEqual([...new Set(faults.map(({ column, line }) => `${line}:${column}`))], marks)
        for (const fault of faults) assert.isNotEmpty(Contract.message(fault))
      })
    )
  }

  it.effect("names the members of a cycle, in their order", () =>
    Effect.gen(function* () {
      const steps = [1, 2, 3, 0].map(
        (need, at) => `  - { name: s${at}, kind: compute, node: A, depends_on: [s${need}] }`
      )
      const [fault] = yield* faultsOf(workflow(steps.join("\n")))
      assert.deepInclude(fault, { _tag: "Cycle", members: ["s0", "s1", "s2", "s3"] })
      assert.strictEqual(Contract.message(fault), "these steps wait for each other: s0 -> s1 -> s2 -> s3 -> s0")
    })
  )

  it.effect("reports faults of every sort at once, in the order of the file", () =>
    Effect.gen(function* () {
      const text = machine(
        "colour: red\nhistory: -1\nstates:\n  closed: { kind: closing }\n  lost: {}\ntransitions:\n  - { from: closed, on: opn, guard: true || false }"
      )
      const invalid = yield* Effect.flip(Contract.parse(text, { name: "door.yaml" }))
      assert.strictEqual(
        invalid.message,
        [
          'the contract "door.yaml" cannot be used:',
          '- 5:1 colour: there is no field "colour" here; the fields are "kind", "name", "version", "context", "initial_context", "events", "intents", "initial", "history", "states", "transitions"',
          "- 6:10 history: -1 is out of range: expected a number between 0 and 10000",
          '- 8:19 states.closed.kind: expected "terminal" or "error", got "closing"',
          '- 9:3 states.lost: nothing leads to state "lost": add a transition to it, or remove it',
          '- 11:25 transitions.0.on: there is no event "opn"; the events are "open", "close"',
          '- 11:42 transitions.0.guard: at character 6 of "true || false": the operator || is not supported: write `or`'
        ].join("\n")
      )
    })
  )

  for (const [name, text] of Object.entries(files)) {
    it.effect(`takes ${name}, deeply frozen`, () =>
      Effect.gen(function* () {
        const contract = yield* Contract.parse(text)
        const parts: Array<unknown> = [contract]
        for (const part of parts) {
          if (typeof part !== "object" || part === null) continue
          assert.isFrozen(part)
          parts.push(...Object.values(part))
        }
        assert.isAbove(parts.length, 10)
      })
    )
  }

  it.effect("takes no notice of a byte order mark, and of tabs in JSON", () =>
    Effect.gen(function* () {
      const json = JSON.stringify(Yaml.parse(files.workflow), null, "\t")
      assert.deepStrictEqual(yield* Contract.parse(`\uFEFF${json}`), yield* Contract.parse(files.workflow))
    })
  )

  it.effect("takes a kind that is needed, and no other", () =>
    Effect.gen(function* () {
      const contract = yield* Contract.parse(files.compute)
      assert.strictEqual(yield* Contract.ofKind(contract, "compute"), contract)
      const { faults } = yield* Effect.flip(Contract.ofKind(contract, "workflow"))
      assert.deepInclude(faults[0], { _tag: "InvalidValue", path: ["kind"], line: undefined })
    })
  )
})

describe("limits", () => {
  const tooLarge = (of: Contract.Limit, text: string, limits: Partial<Contract.Limits> = {}) =>
    Effect.gen(function* () {
      const faults = yield* faultsOf(text, { limits })
      assert.deepInclude(faults[0], { _tag: "TooLarge", of, max: limits[of] ?? Contract.defaults[of] })
      return faults[0]
    })

  it.effect("of bytes, in UTF-8", () =>
    Effect.gen(function* () {
      const text = "kind: compute\nname: a\npipeline: [] # é"
      const bytes = new TextEncoder().encode(text).length
      yield* Contract.parse(text, { limits: { bytes } })
      const fault = yield* tooLarge("bytes", text, { bytes: bytes - 1 })
      assert.deepInclude(fault, { size: bytes, line: 1 })
    })
  )

  it.effect("of depth, before anything recurses", () =>
    Effect.gen(function* () {
      for (const part of ["[", "- ", "? ", "{a: ", "[{a: "]) {
        const text = part.repeat(Math.floor(200_000 / part.length))
        yield* tooLarge("depth", text)
      }
      const nested = (depth: number) => `kind: workflow\nname: a\nsteps: ${"[".repeat(depth)}${"]".repeat(depth)}`
      yield* tooLarge("depth", nested(32))
      assert.notInclude(
        (yield* faultsOf(nested(31))).map(({ _tag }) => _tag),
        "TooLarge"
      )
    })
  )

  it.effect("of depth, also through aliases", () =>
    Effect.gen(function* () {
      const lines = Array.from({ length: 40 }, (_, at) => `k${at}: &a${at} [${at === 0 ? "" : `*a${at - 1}`}]`)
      yield* tooLarge("depth", lines.join("\n"))
    })
  )

  it.effect("of values: a billion laughs", () =>
    Effect.gen(function* () {
      const lines = Array.from(
        { length: 10 },
        (_, at) =>
          `k${at}: &a${at} [${Array.from({ length: 10 }, () => (at === 0 ? "lol" : `*a${at - 1}`)).join(", ")}]`
      )
      const fault = yield* tooLarge("values", lines.join("\n"))
      assert.isAtMost(fault.line!, 10)
      yield* tooLarge("values", files.workflow, { values: 10 })
    })
  )

  it.effect("of items", () =>
    Effect.gen(function* () {
      const steps = (count: number) =>
        workflow(Array.from({ length: count }, (_, at) => `  - { name: s${at}, kind: compute, node: A }`).join("\n"))
      yield* Contract.parse(steps(5), { limits: { items: 5 } })
      const fault = yield* tooLarge("items", steps(6), { items: 5 })
      assert.deepInclude(fault, { size: 6, line: 4, path: ["steps"] })
    })
  )
})

describe("Contract.hash", () => {
  /** The same value, its keys in another order. */
  const shuffled = (value: unknown, random: () => number): unknown => {
    if (Array.isArray(value)) return value.map((item) => shuffled(item, random))
    if (typeof value !== "object" || value === null) return value
    return Object.fromEntries(
      Object.entries(value)
        .map((entry) => [random(), entry] as const)
        .sort(([a], [b]) => a - b)
        .map(([, [key, inner]]) => [key, shuffled(inner, random)])
    )
  }

  it.effect.prop(
    "is the same whatever the order of keys, and in YAML and JSON",
    [
      FastCheck.constantFrom(...Object.values(files)),
      FastCheck.infiniteStream(FastCheck.nat()),
      FastCheck.constantFrom(0, 2, 4)
    ],
    ([text, numbers, indent]) =>
      Effect.gen(function* () {
        const random = () => numbers.next().value
        const value = shuffled(Yaml.parse(text), random)
        const hash = Contract.hash(yield* Contract.parse(text))
        assert.match(hash, /^[0-9a-f]{64}$/)
        const yaml = Yaml.stringify(value, { defaultStringType: indent === 2 ? "QUOTE_SINGLE" : "PLAIN" })
        const other = random() % 2 === 0 ? JSON.stringify(value, null, indent) : `# a comment\n${yaml}`
        assert.strictEqual(Contract.hash(yield* Contract.parse(other)), hash)
      }),
    { fastCheck: { numRuns } }
  )

  it.effect("is the same when a default is said, and another when anything else is", () =>
    Effect.gen(function* () {
      const hash = (text: string) => Effect.map(Contract.parse(text), Contract.hash)
      const text = "kind: compute\nname: a\npipeline: [{ do: sort, by: value.a+1 }]"
      const same =
        "kind: compute\nname: a\npipeline: [{ do: sort, by: value.a + 1, order: ascending }]\ninput: { type: any }"
      const other = "kind: compute\nname: a\npipeline: [{ do: sort, by: value.a + 2 }]"
      assert.strictEqual(yield* hash(text), yield* hash(same))
      assert.notStrictEqual(yield* hash(text), yield* hash(other))
    })
  )

  it.effect("that was expected is the one, or nothing is given", () =>
    Effect.gen(function* () {
      const expectedHash = Contract.hash(yield* Contract.parse(files.workflow))
      yield* Contract.parse(files.workflow, { expectedHash })
      yield* Contract.parse(files.workflow, { expectedHash: expectedHash.toUpperCase() })
      const changed = yield* Effect.flip(Contract.parse(files.compute, { expectedHash, name: "c" }))
      assert.deepInclude(changed, { _tag: "ContractChanged", contract: "c", expected: expectedHash })
    })
  )
})

describe("of no matter what text", () => {
  const inside = (text: string, faults: ReadonlyArray<Contract.ContractFault>) => {
    const lines = text.split("\n").length
    let before = 0
    for (const { column, line } of faults) {
      assert.isAtLeast(line!, Math.max(before, 1), "in the order of the file")
      assert.isAtMost(line!, lines)
      assert.isAtLeast(column!, 1)
      before = line!
    }
  }

  const check = (text: string) =>
    Contract.parse(text).pipe(
      Effect.match({
        onFailure: (invalid) => {
          if (invalid._tag !== "ContractInvalid") return assert.fail(invalid.message)
          inside(text, invalid.faults)
          assert.isNotEmpty(invalid.message)
          return false
        },
        onSuccess: (contract) => {
          Contract.hash(contract)
          return true
        }
      })
    )

  const pieces = FastCheck.oneof(
    FastCheck.constantFrom(
      ..."a:|- |{|}|[|]|&a |*a|: |null|~|.nan|1e999|-1|'|\"|# |\n|\t|%|? |!!set |---\n|...|context.n|== 'x'|kind|__proto__: 1|\ud800|\\|>|*".split(
        "|"
      )
    ),
    FastCheck.fullUnicodeString({ maxLength: 4 })
  )
  const changes = FastCheck.array(FastCheck.record({ at: FastCheck.nat(), drop: FastCheck.nat(8), piece: pieces }), {
    minLength: 1,
    maxLength: 3
  })

  it.effect.prop(
    "it is taken, or has faults with lines of the text; nothing is thrown",
    [FastCheck.constantFrom(...Object.values(files)), changes],
    ([text, changes]) =>
      Effect.asVoid(
        check(
          changes.reduce<string>((text, { at, drop, piece }) => {
            const from = at % text.length
            return text.slice(0, from) + piece + text.slice(from + drop)
          }, text)
        )
      ),
    { fastCheck: { numRuns } }
  )

  /** Every value of a file, one after the other, is replaced by something else. */
  const places = (
    value: unknown,
    path: ReadonlyArray<string | number> = []
  ): ReadonlyArray<ReadonlyArray<string | number>> =>
    typeof value === "object" && value !== null
      ? [
          path,
          ...Object.entries(value).flatMap(([key, inner]) =>
            places(inner, [...path, Array.isArray(value) ? Number(key) : key])
          )
        ]
      : [path]

  const replaced = (value: unknown, [key, ...rest]: ReadonlyArray<string | number>, by: unknown): unknown => {
    if (key === undefined) return by
    if (Array.isArray(value)) return value.map((item, at) => (at === key ? replaced(item, rest, by) : item))
    const object = value as { readonly [key: string]: unknown }
    return { ...object, [key]: replaced(object[key], rest, by) }
  }

  for (const [name, text] of Object.entries(files)) {
    it.effect(`${name} with any one value replaced is taken or has faults`, () =>
      Effect.gen(function* () {
        const value: unknown = Yaml.parse(text)
        const others = [null, true, -1, 1.5, "constructor", "a b", [], {}, [[null]], { type: "any" }]
        let turn = 0
        let taken = 0
        let refused = 0
        for (const path of places(value)) {
          const by = others[turn++ % others.length]
          if (yield* check(JSON.stringify(replaced(value, path, by), null, 1))) taken++
          else refused++
        }
        assert.isAbove(refused, taken)
        assert.isAbove(taken, 0)
      })
    )
  }
})

describe("Contract.load", () => {
  const inFolder = <A, E>(
    use: (folder: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, FileSystem.FileSystem>
  ) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      return yield* use(yield* fs.makeTempDirectoryScoped(), fs)
    }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))

  it.effect("reads files of YAML and JSON", () =>
    inFolder((folder, fs) =>
      Effect.gen(function* () {
        yield* fs.writeFileString(`${folder}/a.yaml`, files.effect)
        yield* fs.writeFileString(`${folder}/a.json`, JSON.stringify(Yaml.parse(files.effect)))
        const contract = yield* Contract.load(`${folder}/a.yaml`)
        assert.deepStrictEqual(yield* Contract.load(`${folder}/a.json`), contract)
        assert.strictEqual(contract.kind, "effect")
      })
    )
  )

  it.effect("names the file in what it fails with", () =>
    inFolder((folder, fs) =>
      Effect.gen(function* () {
        const path = `${folder}/a.yaml`
        assert.deepInclude(yield* Effect.flip(Contract.load(path)), { _tag: "ContractUnreadable", contract: path })
        yield* fs.writeFileString(path, "kind: nothing")
        assert.deepInclude(yield* Effect.flip(Contract.load(path)), { _tag: "ContractInvalid", contract: path })
        yield* fs.writeFile(path, new Uint8Array([0x6b, 0xff, 0xfe]))
        assert.include((yield* Effect.flip(Contract.load(path))).message, "it is not UTF-8")
      })
    )
  )

  it.effect("reads no more than it may", () =>
    inFolder(() =>
      Effect.gen(function* () {
        // a file without an end
        const invalid = yield* Effect.flip(Contract.load("/dev/zero"))
        assert.include(invalid.message, "more than 262144 bytes")
      })
    )
  )
})
