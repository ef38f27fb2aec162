import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, HashMap, Schema } from "effect"
import { Dag, Diagram, Module, RunId, RunSnapshot } from "heddle"
import type { ModuleStatus } from "heddle"
import { numRuns } from "../numRuns.js"

const n = Module.input("n", Schema.Number)
const double = Module.pure("double", { needs: { n }, run: ({ n }) => n * 2 })
const store = Module.make("store", {
  needs: { value: double, n },
  output: Schema.Number,
  run: ({ value }) => Effect.succeed(value)
})

const named = (name: string) => Dag.make("named", { outputs: { out: Module.pure(name, { run: () => 1 }) } })

const snapshotOf = (statuses: { readonly [name: string]: ModuleStatus.ModuleStatus }): RunSnapshot.RunSnapshot => ({
  ...RunSnapshot.make({ runId: RunId.make("r"), dag: "d", fingerprint: "f", total: 3, startedAt: 0 }),
  modules: HashMap.fromIterable(
    Object.entries(statuses).map(([name, status]) => [name, { status, attempt: 1 }] as const)
  )
})

/** What a viewer shows for the first node, after a check that its line cannot be misread. */
const shown = (text: string): string => {
  const line = text.split("\n")[1]!
  // within the quotes: letters, what is not ASCII, a few harmless signs, and character codes
  const quoted = /^ {2}m0\("((?:\P{ASCII}|[A-Za-z0-9 ,/-]|#\d+;)+)"\)$/u.exec(line)
  assert.isNotNull(quoted, line)
  assert.notMatch(quoted[1]!, /^[ -]| $/)
  return quoted[1]!.replace(/#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
}

describe("Diagram", () => {
  it.effect("tells inputs, pure modules, Effects and outputs apart, and labels an edge where the key says more", () =>
    Effect.gen(function* () {
      const dag = Dag.make("doubling", { outputs: { stored: store, double } })
      assert.strictEqual(
        yield* Diagram.mermaid(dag),
        `flowchart LR
  m0[/"n"/]
  m1("double")
  m2["store"]
  o0(["double"])
  o1(["stored"])
  m0 --> m1
  m0 --> m2
  m1 -->|"value"| m2
  m1 --> o0
  m2 --> o1
`
      )
    })
  )

  it.effect("does not depend on the order in which the Dag was written down", () =>
    Effect.gen(function* () {
      const again = Module.make("store", {
        needs: { n, value: double },
        output: Schema.Number,
        run: ({ value }) => Effect.succeed(value)
      })
      assert.strictEqual(
        yield* Diagram.mermaid(Dag.make("doubling", { outputs: { stored: store, double } })),
        yield* Diagram.mermaid(Dag.make("doubling", { outputs: { double, stored: again } }))
      )
    })
  )

  it.effect("colours the modules of a run by their status", () =>
    Effect.gen(function* () {
      const dag = Dag.make("doubling", { outputs: { store } })
      const text = yield* Diagram.mermaid(dag, {
        snapshot: snapshotOf({ n: "completed", double: "failed", other: "running" })
      })
      const lines = text.split("\n")
      assert.deepStrictEqual(lines.slice(1, 4), [
        '  m0[/"n"/]:::completed',
        '  m1("double"):::failed',
        '  m2["store"]:::pending'
      ])
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("classDef")).map((line) => line.trim().split(" ")[1]),
        ["pending", "completed", "failed"]
      )
    })
  )

  it.effect("sets text and fill of every status, with enough contrast to read it anywhere", () =>
    Effect.gen(function* () {
      const statuses = ["scheduled", "running", "suspended", "completed", "failed", "skipped", "cancelled"] as const
      const needs = Object.fromEntries(statuses.map((status) => [status, Module.pure(status, { run: () => 1 })]))
      const all = Module.pure("all", { needs, run: () => 1 })
      const text = yield* Diagram.mermaid(Dag.make("all", { outputs: { all } }), {
        snapshot: snapshotOf(Object.fromEntries(statuses.map((status) => [status, status])))
      })
      const colours = [...text.matchAll(/classDef (\w+) fill:(#\w{6}),stroke:#\w{6},color:(#\w{6})/g)]
      assert.strictEqual(colours.length, 8)
      for (const [, status, fill, color] of colours) {
        assert.isAtLeast(contrast(fill!, color!), 4.5, status)
      }
    })
  )

  it.effect("escapes what Mermaid, HTML or Markdown would read in a name", () =>
    Effect.gen(function* () {
      const names = [
        'say "hi"',
        "it's",
        "[x](y)",
        "{a|b}",
        "`code`",
        "<b>&lt;",
        "#35;",
        "#quot;",
        "%% comment",
        "a;b",
        "\\n",
        "classDef a:#b;",
        "1. list",
        "- dash",
        "* star",
        "__init__",
        "a@b.com",
        "www.example.org",
        "end",
        "日本語 👩‍👩‍👧 é"
      ]
      for (const name of names) assert.strictEqual(shown(yield* Diagram.mermaid(named(name))), name)
    })
  )

  it.effect("shows a sign for what has no width, breaks lines or turns the direction of text", () =>
    Effect.gen(function* () {
      const text = yield* Diagram.mermaid(named("a\u2028b\u202ec\u200bd\u0085"))
      assert.strictEqual(shown(text), "a\ufffdb\ufffdc\ufffdd\ufffd")
    })
  )

  it.effect("keys are labels too", () =>
    Effect.gen(function* () {
      const reader = Module.pure("reader", { needs: { "a]|b": n, "1.": n }, run: () => 1 })
      const text = yield* Diagram.mermaid(Dag.make("d", { outputs: { "#": reader, "\u2029x": reader } }))
      assert.deepStrictEqual(text.trimEnd().split("\n").slice(3), [
        '  o0(["#35;"])',
        '  o1(["\ufffdx"])',
        '  m0 -->|"1#46;"| m1',
        '  m0 -->|"a#93;#124;b"| m1',
        "  m1 --> o0",
        "  m1 --> o1"
      ])
    })
  )

  it.effect(
    "draws each kind of module with a shape of its own, join rules, and dotted edges from routes to branches",
    () =>
      Effect.gen(function* () {
        const child = Dag.make("child", { outputs: { store } })
        const route = Module.route("route", { needs: { n }, branches: ["yes", "no]|"], choose: () => "yes" as const })
        const signal = Module.signal("signal", { when: route.is("yes"), value: Schema.String })
        const sleep = Module.sleep("sleep", { when: route.is("no]|"), duration: "1 day" })
        const nested = Module.dag("nested", {
          needs: { n },
          when: route.is("yes"),
          dag: child,
          input: ({ n }) => ({ n })
        })
        const each = Module.map("each", {
          needs: { n },
          over: ({ n }) => [n],
          output: Schema.Number,
          run: (item) => Effect.succeed(item)
        })
        const join = Module.pure("join", { needs: { signal, sleep, nested, each }, join: "noneFailed", run: () => 1 })
        const last = Module.make("last", {
          needs: { join, route },
          join: "always",
          output: Schema.Void,
          run: () => Effect.void
        })
        const dag = Dag.make("all", { outputs: { last } })
        assert.strictEqual(
          yield* Diagram.mermaid(dag),
          `flowchart LR
  m0[/"n"/]
  m1[/"each"\\]
  m2{"route"}
  m3[["nested"]]
  m4{{"signal"}}
  m5{{"sleep"}}
  m6("join<br/>noneFailed")
  m7["last<br/>always"]
  o0(["last"])
  m0 --> m1
  m0 --> m2
  m0 --> m3
  m2 -.->|"yes"| m3
  m2 -.->|"yes"| m4
  m2 -.->|"no#93;#124;"| m5
  m1 --> m6
  m3 --> m6
  m4 --> m6
  m5 --> m6
  m6 --> m7
  m2 --> m7
  m7 --> o0
`
        )
        const text = yield* Diagram.mermaid(dag, {
          snapshot: snapshotOf({ signal: "suspended", nested: "running", "nested/store": "failed" })
        })
        assert.include(text, 'm3[["nested"]]:::running')
        assert.include(text, 'm4{{"signal"}}:::suspended')
        assert.notInclude(text, "failed")
      })
  )

  it.effect("cuts long names, between characters", () =>
    Effect.gen(function* () {
      assert.strictEqual(shown(yield* Diagram.mermaid(named("x".repeat(80)))), "x".repeat(80))
      assert.strictEqual(shown(yield* Diagram.mermaid(named("x".repeat(10_240)))), "x".repeat(79) + "…")
      assert.strictEqual(shown(yield* Diagram.mermaid(named("x" + "🧵".repeat(10_240)))), "x" + "🧵".repeat(78) + "…")
    })
  )

  it.effect.prop(
    "gives a label that cannot be misread to every name that a module may have",
    [FastCheck.string({ unit: "binary", maxLength: 40 })],
    ([text]) =>
      Effect.map(Effect.option(Diagram.mermaid(named(`${text}x`))), (diagram) => {
        if (diagram._tag === "Some") shown(diagram.value)
      }),
    { fastCheck: { numRuns } }
  )

  it.effect("refuses a Dag that cannot be run", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Diagram.mermaid(Dag.make("nothing", { outputs: {} })))
      assert.strictEqual(error._tag, "PlanInvalid")
    })
  )
})

/** The contrast ratio of WCAG 2. */
const contrast = (a: string, b: string): number => {
  const luminance = (colour: string) => {
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const channel = parseInt(colour.slice(at, at + 2), 16) / 255
      return channel <= 0.03928 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
  }
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (light! + 0.05) / (dark! + 0.05)
}
