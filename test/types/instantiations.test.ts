import { assert, describe, it } from "@effect/vitest"
import * as Path from "node:path"
import ts from "typescript"

/**
 * What a user's compiler has to do, as TypeScript counts it: a program is type-checked with and without its modules, and
 * the difference is held against a stated limit. Counts do not depend on the machine.
 */
const root = Path.resolve(import.meta.dirname, "../..")
const config = ts.parseJsonConfigFileContent(
  ts.readConfigFile(Path.join(root, "tsconfig.json"), (file) => ts.sys.readFile(file)).config,
  ts.sys,
  root
)

const check = (source: string) => {
  const file = Path.join(root, "test/types/generated.ts")
  const options: ts.CompilerOptions = { ...config.options, noUnusedLocals: false, incremental: false, composite: false }
  const host = ts.createCompilerHost(options)
  const { fileExists, getSourceFile, readFile } = host
  host.fileExists = (name) => name === file || fileExists(name)
  host.readFile = (name) => (name === file ? source : readFile(name))
  host.getSourceFile = (name, language) =>
    name === file ? ts.createSourceFile(name, source, language) : getSourceFile(name, language)
  const program = ts.createProgram([file], options, host)
  const problems = ts.getPreEmitDiagnostics(program, program.getSourceFile(file))
  return {
    problems: problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")),
    instantiations: program.getInstantiationCount()
  }
}

const prelude = `
import { Context, Effect, Schema } from "effect"
import { Dag, Engine, Module } from "heddle"
class E1 extends Schema.TaggedError<E1>()("E1", {}) {}
class E2 extends Schema.TaggedError<E2>()("E2", {}) {}
class S1 extends Context.Tag("S1")<S1, { readonly f: (n: number) => Effect.Effect<number, E1> }>() {}
class S2 extends Context.Tag("S2")<S2, { readonly g: (n: number) => Effect.Effect<number, E2> }>() {}
const a = Module.input("a", Schema.Number)
const b = Module.input("b", Schema.Number)
const first = Module.make("first", { needs: { a }, output: Schema.Number, run: ({ a }) => Effect.flatMap(S1, (_) => _.f(a)) })
const second = Module.make("second", { needs: { b }, output: Schema.Number, run: ({ b }) => Effect.flatMap(S2, (_) => _.g(b)) })
const route = Module.route("route", { needs: { a }, branches: ["l", "r"], choose: ({ a }) => (a > 0 ? "l" : "r") })
const child = Dag.make("child", { outputs: { first } })
`

const finish = (outputs: string) => `
const D = Dag.make("d", { outputs: { ${outputs} } })
const program = Engine.execute(D, { a: 1, b: 2 })
const typed: Effect.Effect<unknown, E1 | E2 | Engine.RunError | Engine.StartError, S1 | S2 | Engine.Engine> = program
// @ts-expect-error an error is lost
const noE2: Effect.Effect<unknown, E1 | Engine.RunError | Engine.StartError, S1 | S2 | Engine.Engine> = program
// @ts-expect-error a requirement is lost
const noS2: Effect.Effect<unknown, E1 | E2 | Engine.RunError | Engine.StartError, S1 | Engine.Engine> = program
`

const kinds = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    const needs = `needs: { x: ${i % 2 === 0 ? "first" : "second"} }`
    return [
      `const p${i} = Module.pure("p${i}", { ${needs}, join: "anySucceeded", when: route.is("l"), run: () => 1 })`,
      `const r${i} = Module.route("r${i}", { ${needs}, branches: ["l", "r"], choose: ({ x }) => (x > 0 ? "l" : "r") })`,
      `const s${i} = Module.signal("s${i}", { ${needs}, value: Schema.Number })`,
      `const t${i} = Module.sleep("t${i}", { ${needs}, duration: ({ x }) => x })`,
      `const m${i} = Module.map("m${i}", { ${needs}, over: ({ x }) => [x], output: Schema.Number, run: (n) => Effect.flatMap(S1, (_) => _.f(n)) })`,
      `const d${i} = Module.dag("d${i}", { ${needs}, dag: child, input: ({ x }) => ({ a: x }) })`
    ].join("\n")
  }).join("\n")

const modules = (count: number, needs: (i: number) => string) =>
  Array.from(
    { length: count },
    (_, i) =>
      `const m${i} = Module.make("m${i}", { needs: { ${needs(i)} }, output: Schema.Number, run: (n) => Effect.flatMap(S1, (_) => _.f(n.x)) })`
  ).join("\n")

describe("type instantiations", () => {
  const base = check(prelude + finish("first, second"))

  it("the program without them has no errors", () => {
    assert.deepStrictEqual(base.problems, [])
  })

  it("500 modules in one Dag: at most 200 each", { timeout: 120_000 }, () => {
    const names = Array.from({ length: 500 }, (_, i) => `m${i}`).join(", ")
    const { instantiations, problems } = check(
      prelude + modules(500, (i) => (i % 2 === 0 ? "x: first" : "x: second")) + finish(names)
    )
    assert.deepStrictEqual(problems, [])
    const each = (instantiations - base.instantiations) / 500
    console.log(`500 modules: ${Math.round(each)} instantiations each`)
    assert.isAtMost(each, 200)
  })

  it("600 modules of all other kinds: at most 200 each", { timeout: 120_000 }, () => {
    const names = Array.from({ length: 100 }, (_, i) => `p${i}, r${i}, s${i}, t${i}, m${i}, d${i}`).join(", ")
    const { instantiations, problems } = check(prelude + kinds(100) + finish(names))
    assert.deepStrictEqual(problems, [])
    const each = (instantiations - base.instantiations) / 600
    console.log(`600 modules of all other kinds: ${Math.round(each)} instantiations each`)
    assert.isAtMost(each, 200)
  })

  it("a chain of 100: at most 200 each", { timeout: 120_000 }, () => {
    const { instantiations, problems } = check(
      prelude + modules(100, (i) => (i === 0 ? "x: first, y: second" : `x: m${i - 1}`)) + finish("m99")
    )
    assert.deepStrictEqual(problems, [])
    const each = (instantiations - base.instantiations) / 100
    console.log(`a chain of 100: ${Math.round(each)} instantiations each`)
    assert.isAtMost(each, 200)
  })
})
