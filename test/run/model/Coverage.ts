/** What occurs in the cases of a property, and how often. */
import { assert } from "@effect/vitest"
import { RunSnapshot } from "heddle"
import type { Case, Driven } from "./Drive.js"
import type { Expected } from "./Expected.js"
import * as RandomGraph from "./RandomGraph.js"
import type { Vertex } from "./RandomGraph.js"

const kindOf = (vertex: Vertex) =>
  vertex.kind === "map" ? (vertex.child === undefined ? "map of effects" : "map of child Dags") : vertex.kind

const labelsOfVertex = (vertex: Vertex): ReadonlyArray<string> => {
  const labels = [`kind: ${kindOf(vertex)}`]
  if (vertex.when !== undefined) labels.push("when")
  switch (vertex.kind) {
    case "pure":
      labels.push(`join: ${vertex.join}`, vertex.stored ? "pure, stored" : "pure, computed again")
      break
    case "effect":
      labels.push(`join: ${vertex.join}`, `effect ${vertex.fate}`)
      if (vertex.atMostOnce) labels.push("effect at most once")
      if (RandomGraph.isRetried(vertex)) labels.push("retry")
      if (vertex.fate === "fails" || vertex.fate === "dies" || vertex.fate === "timesOut") {
        labels.push(`onFailure: ${vertex.onFailure}`)
      }
      break
    case "map":
      labels.push(`onItemFailure: ${vertex.onItemFailure}`)
      break
    case "route":
      if (vertex.chosen === 2) labels.push(vertex.hasDefault ? "route default" : "route unmatched")
      break
    case "signal":
      labels.push(`signal: ${vertex.way}`)
  }
  return labels
}

const labelsOf = ({ policy }: Case, expected: Expected, { seen, snapshot }: Driven): ReadonlySet<string> => {
  const ran = expected.ran.filter(({ path }) => RunSnapshot.module(snapshot, path).attempt > 0)
  return new Set([
    ...seen,
    "kind: input",
    `durability: ${policy.durability}`,
    ...(policy.owned ? ["engine owns the Dag"] : []),
    ...(policy.alwaysDecode ? ["alwaysDecode"] : []),
    expected.status === "completed" ? `${policy.onFailure}, all handled` : `${policy.onFailure}, not all handled`,
    ...ran.flatMap(({ vertex }) => labelsOfVertex(vertex)),
    ...(ran.some(({ path }) => path.replaceAll(/\/\d+\//g, "/").split("/").length > 2) ? ["two Dags deep"] : []),
    ...(ran.some(({ path, vertex }) => vertex.kind === "map" && /\/\d+\//.test(path)) ? ["map inside of a map"] : [])
  ])
}

const kinds = ["input", "pure", "effect", "map of effects", "map of child Dags", "route", "signal", "sleep", "dag"]
const rules = ["allSucceeded", "noneFailed", "anySucceeded", "always"]

/** What has to occur in at least 5 % of the cases. */
const wanted: ReadonlyArray<string> = [
  ...kinds.map((kind) => `kind: ${kind}`),
  ...rules.map((rule) => `join: ${rule}`),
  ...["resume", "resume: cut off", "cancelled", "suspension"]
]

export interface Coverage {
  readonly add: (given: Case, expected: Expected, driven: Driven) => void
  /** Prints how often what occurred, and asserts that all that is wanted did, of so many cases. */
  readonly report: (cases: number) => void
}

export const make = (): Coverage => {
  const counts = new Map<string, number>()
  let total = 0
  return {
    add: (given, expected, driven) => {
      total++
      for (const label of labelsOf(given, expected, driven)) counts.set(label, (counts.get(label) ?? 0) + 1)
    },
    report: (cases) => {
      const rows = Array.from(counts)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([label, count]) => `${label} ${((100 * count) / total).toFixed(0)} %`)
      console.log(`Of ${total} random graphs: ${rows.join(", ")}`)
      // after a failure the cases are those of its shrinking
      if (total !== cases) return
      for (const label of wanted) assert.isAtLeast((counts.get(label) ?? 0) / total, 0.05, label)
    }
  }
}
