/**
 * A Dag as a picture.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Dag from "../dag/Dag.js"
import type * as Definition from "../dag/Definition.js"
import type { ModuleStatus } from "../model/ModuleStatus.js"
import * as RunSnapshot from "../model/RunSnapshot.js"
import * as Plan from "./Plan.js"

/**
 * - `snapshot`: a run of the Dag; each module is coloured by its status there
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly snapshot?: RunSnapshot.RunSnapshot
}

/** The brackets that give a node its shape. */
const shapes: { readonly [K in Definition.Definition["kind"]]: readonly [open: string, close: string] } = {
  input: ["[/", "/]"],
  pure: ["(", ")"],
  effect: ["[", "]"],
  map: ["[/", "\\]"],
  route: ["{", "}"],
  signal: ["{{", "}}"],
  sleep: ["{{", "}}"],
  dag: ["[[", "]]"]
}

/** Fill, border and text are all set, so that a node does not depend on the theme of the page around it. */
const styles: { readonly [S in ModuleStatus]: string } = {
  pending: "fill:#f6f8fa,stroke:#8c959f,color:#24292f",
  scheduled: "fill:#ddf4ff,stroke:#0969da,color:#0a3069",
  running: "fill:#0969da,stroke:#54aeff,color:#ffffff",
  suspended: "fill:#8250df,stroke:#c297ff,color:#ffffff",
  completed: "fill:#1a7f37,stroke:#4ac26b,color:#ffffff",
  failed: "fill:#cf222e,stroke:#ff8182,color:#ffffff",
  skipped: "fill:#eaeef2,stroke:#8c959f,color:#57606a,stroke-dasharray:4 3",
  cancelled: "fill:#fff8c5,stroke:#bf8700,color:#633c01"
}

// every status has a style
const statuses = Object.keys(styles) as ReadonlyArray<ModuleStatus>

/** Code points of a name that are shown. */
const maxLabel = 80

/**
 * What has no width, breaks a line or changes the direction of the text around it; half of a surrogate pair. The joiners
 * of emoji and scripts (U+200C, U+200D) stay.
 */
const invisible = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu

/**
 * A part of a label. Mermaid reads HTML, entities and Markdown in it, and takes even `1.`, `a@b.c` and `www.` for
 * Markdown, so ASCII punctuation is written as character codes, but for what is harmless and frequent in names. A label
 * that is empty does not parse.
 */
const escape = (text: string): string => {
  // a name can be long: what is cut off is not looked at
  const points = Array.from((text || " ").slice(0, 2 * (maxLabel + 1)).replace(invisible, "\ufffd"))
  const shown = points.length > maxLabel ? [...points.slice(0, maxLabel - 1), "\u2026"] : points
  return shown.join("").replace(/^[ -]|[ -]$|[!-+.:-@[-`{-~]/g, (character) => `#${character.charCodeAt(0)};`)
}

/** A label in quotes, of one line or several. */
const label = (...texts: ReadonlyArray<string>): string => `"${texts.map(escape).join("<br/>")}"`

/** The name of a module and, where it is not the usual one, how it joins what it needs. */
const linesOf = ({ definition, name }: Plan.PlannedModule): ReadonlyArray<string> =>
  definition.kind === "input" || definition.join === "allSucceeded" ? [name] : [name, definition.join]

const byKey = (a: { readonly key: string }, b: { readonly key: string }) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

const render = (plan: Plan.Plan, snapshot: RunSnapshot.RunSnapshot | undefined): string => {
  const lines = ["flowchart LR"]
  const used = new Set<ModuleStatus>()
  plan.modules.forEach((module, i) => {
    const [open, close] = shapes[module.definition.kind]
    const node = `  m${i}${open}${label(...linesOf(module))}${close}`
    if (snapshot === undefined) return lines.push(node)
    const { status } = RunSnapshot.module(snapshot, module.name)
    used.add(status)
    return lines.push(`${node}:::${status}`)
  })
  plan.outputs.forEach(({ key }, i) => lines.push(`  o${i}([${label(key)}])`))
  plan.modules.forEach(({ needs, when }, i) => {
    for (const { index, key } of [...needs].sort(byKey)) {
      const text = key === plan.modules[index]!.name ? "" : `|${label(key)}|`
      lines.push(`  m${index} -->${text} m${i}`)
    }
    if (when !== undefined) lines.push(`  m${when.index} -.->|${label(when.branch)}| m${i}`)
  })
  plan.outputs.forEach(({ index }, i) => lines.push(`  m${index} --> o${i}`))
  for (const status of statuses) if (used.has(status)) lines.push(`  classDef ${status} ${styles[status]}`)
  return lines.join("\n") + "\n"
}

/**
 * The text of a Mermaid flowchart: a node for each module, and one with round ends for each output. The shape says what
 * a module is:
 *
 * | shape | module |
 * | --- | --- |
 * | slanted | an input |
 * | round corners | a pure module |
 * | square corners | an Effect |
 * | wider at the bottom | a map |
 * | diamond | a route |
 * | six sides | a signal or a sleep: what waits |
 * | double sides | a child Dag |
 *
 * A module that does not join its needs in the usual way has its join rule below its name. An edge is labelled where a
 * module wants a value under another name than that of the module that gives it. A dotted edge leads from a route to the
 * modules of its branches, with the name of the branch.
 *
 * Names cannot break the picture: nodes are named by position, and labels are escaped and cut at 80 characters. The text
 * is the same however the Dag was written down.
 *
 * Viewers have limits of their own: most refuse a flowchart of more than 500 edges.
 *
 * @example
 * ```ts
 * import { Dag, Diagram, Module } from "heddle"
 * import { Schema } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.pure("double", { needs: { n }, run: ({ n }) => n * 2 })
 * const program = Diagram.mermaid(Dag.make("doubling", { outputs: { double } }))
 * // flowchart LR
 * //   m0[/"n"/]
 * //   m1("double")
 * //   o0(["double"])
 * //   m0 --> m1
 * //   m1 --> o0
 * ```
 *
 * @since 0.1.0
 * @category rendering
 */
export const mermaid = (dag: Dag.Any, options: Options = {}): Effect.Effect<string, Plan.PlanInvalid> =>
  Effect.map(Plan.make(dag), (plan) => render(plan, options.snapshot))
