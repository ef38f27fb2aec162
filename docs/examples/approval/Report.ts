/** How far an order is, as text. */
import { HashMap, Option } from "effect"
import { RunSnapshot } from "heddle"
import { euros } from "./Approval.js"

const time = (millis: number) => new Date(millis).toISOString()

/** The state of the whole order, in a few words. What is due waits for a process that works. */
export const status = ({ runId, status, until }: RunSnapshot.RunSnapshot, now: number): string => {
  if (status !== "suspended") return `${runId}: ${status}`
  if (until === undefined) return `${runId}: waiting`
  return until <= now ? `${runId}: due` : `${runId}: waiting, until ${time(until)} at the latest`
}

const moduleLine = (name: string, { failure, items, status, until }: RunSnapshot.ModuleState, output?: string) =>
  [
    `  ${name}: ${status}`,
    ...(items === undefined ? [] : [`${items.completed} of ${items.total} lines`]),
    ...(until === undefined ? [] : [`until ${time(until)}`]),
    ...(failure === undefined ? [] : [failure.message]),
    ...(output === undefined ? [] : [output])
  ].join(", ")

const cell = (snapshot: RunSnapshot.RunSnapshot, key: string): number =>
  Number(Option.getOrElse(HashMap.get(snapshot.shared, `totals/${key}`), () => 0))

export interface Report {
  readonly snapshot: RunSnapshot.RunSnapshot
  readonly now: number
  /** In the order in which they are shown. */
  readonly modules: ReadonlyArray<string>
  /** What they gave, as JSON texts. */
  readonly outputs: ReadonlyMap<string, string>
}

export const text = ({ modules, now, outputs, snapshot }: Report): string =>
  [
    status(snapshot, now),
    `  lines checked: ${cell(snapshot, "lines")}, together ${euros(cell(snapshot, "cents"))}`,
    ...modules.map((name) => moduleLine(name, RunSnapshot.module(snapshot, name), outputs.get(name)))
  ].join("\n")
