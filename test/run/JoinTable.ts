/** What each join rule does for each way in which a needed module can end: the table of the docs, as data. */
import type { Module } from "heddle"

export type Rule = Module.JoinRule

export const rules: ReadonlyArray<Rule> = ["allSucceeded", "noneFailed", "anySucceeded", "always"]

/** What a module is given in place of one that it needs. */
export type Given =
  | "value"
  | "Option.some(value)"
  | "Option.none()"
  | "Exit.succeed(value)"
  | "Exit.fail(error)"
  | "Exit.fail(Failed)"
  | "Exit.fail(Skipped)"
  | "Exit.fail(Cancelled)"

/** The module runs and is given this, or ends at once without having run. */
export type Cell = { readonly runs: Given } | "skipped" | "cancelled"

export type Ending =
  "completed" | "failed" | "timedOut" | "failedFast" | "skippedOnFailure" | "notTaken" | "behindFailure" | "cancelled"

export interface Row {
  /** How the docs call it. */
  readonly title: string
  readonly cells: { readonly [R in Rule]: Cell }
}

const row = (title: string, allSucceeded: Cell, noneFailed: Cell, anySucceeded: Cell, always: Given): Row => ({
  title,
  cells: { allSucceeded, noneFailed, anySucceeded, always: { runs: always } }
})

export const table: { readonly [E in Ending]: Row } = {
  completed: row(
    "completed",
    { runs: "value" },
    { runs: "Option.some(value)" },
    { runs: "Option.some(value)" },
    "Exit.succeed(value)"
  ),
  failed: row("failed (`continue`)", "skipped", "skipped", "skipped", "Exit.fail(error)"),
  failedFast: row("failed (`failFast`)", "skipped", "skipped", "skipped", "Exit.fail(error)"),
  timedOut: row("failed: timed out", "skipped", "skipped", "skipped", "Exit.fail(Failed)"),
  skippedOnFailure: row(
    'failed, with `onFailure: "skip"`',
    "skipped",
    { runs: "Option.none()" },
    "skipped",
    "Exit.fail(error)"
  ),
  notTaken: row(
    "skipped: its branch was not taken",
    "skipped",
    { runs: "Option.none()" },
    "skipped",
    "Exit.fail(Skipped)"
  ),
  behindFailure: row("skipped: something before it failed", "skipped", "skipped", "skipped", "Exit.fail(Skipped)"),
  cancelled: row("cancelled, with its run", "cancelled", "cancelled", "cancelled", "Exit.fail(Cancelled)")
}

// the order of the type
export const endings = Object.keys(table) as ReadonlyArray<Ending>

const textOf = (cell: Cell) => (typeof cell === "string" ? cell : `runs: \`${cell.runs}\``)

/** The table in Markdown, its columns aligned. */
export const render = (): string => {
  const lines = [
    ["what it needs", ...rules.map((rule) => `\`${rule}\``)],
    ...endings.map((ending) => [table[ending].title, ...rules.map((rule) => textOf(table[ending].cells[rule]))])
  ]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const [head, ...body] = lines.map(
    (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`
  )
  return [head!, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...body].join("\n")
}
