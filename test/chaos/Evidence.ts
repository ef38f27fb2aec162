/** What is shown by a run of chaos: from what is stored at its end, and from the journal. */
import type { RunId, Transition } from "heddle"
import type { Line } from "./Journal.js"
import type { ChaosRun } from "./Workload.js"

/** A run as it is stored at the end. */
export interface StoredRun {
  readonly runId: RunId
  readonly status: Transition.RunStatus
  readonly epoch: number
  readonly quarantined: boolean
  readonly history: ReadonlyArray<Transition.Transition>
  /** The output of its last module, as it is stored. */
  readonly result: string | undefined
}

type Of<Tag extends Line["_tag"]> = Extract<Line, { readonly _tag: Tag }>

const only = <Tag extends Line["_tag"]>(lines: ReadonlyArray<Line>, tag: Tag): ReadonlyArray<Of<Tag>> =>
  lines.filter((line): line is Of<Tag> => line._tag === tag)

const nameOf = ({ index, module }: { readonly module: string; readonly index: number | null }): string =>
  index === null ? module : `${module}:${index}`

const completedBy = (transition: Transition.Transition | undefined): string | undefined =>
  transition === undefined || !("module" in transition)
    ? undefined
    : transition.status === "completed"
      ? nameOf({ module: transition.module, index: transition._tag === "ItemTransition" ? transition.index : null })
      : undefined

/** By the number of a transition: under which epoch it was written. 0 for what no driver wrote. */
const epochsOf = (history: ReadonlyArray<Transition.Transition>): ReadonlyArray<number> => {
  let epoch = 0
  return history.map((transition) => {
    if (transition._tag === "RunTransition") epoch = transition.epoch
    return epoch
  })
}

const faultsOfHistory = ({ epoch, history, runId }: StoredRun): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const completed = new Set<string>()
  let last = 0
  let isOver = true
  for (const [i, transition] of history.entries()) {
    if (transition.seq !== i + 1) faults.push(`${runId}: transition ${i + 1} has the number ${transition.seq}`)
    const name = completedBy(transition)
    if (name !== undefined) {
      if (completed.has(name)) faults.push(`${runId}: "${name}" has two completions`)
      completed.add(name)
    }
    if (transition._tag === "RunTransition") {
      const begins = transition.status === "running"
      if (begins ? transition.epoch <= last : transition.epoch !== last || isOver) {
        faults.push(`${runId}: ${transition.status} under epoch ${transition.epoch} after epoch ${last}`)
      }
      last = transition.epoch
      isOver = !begins
    } else if (isOver) faults.push(`${runId}: transition ${transition.seq} is of no driver`)
  }
  if (last > epoch) faults.push(`${runId}: its history has the epoch ${last}, and it ${epoch}`)
  return faults
}

const faultsOfEnd = (wanted: ChaosRun, run: StoredRun | undefined): ReadonlyArray<string> => {
  const { runId } = wanted
  if (run === undefined) return [`${runId} is not stored`]
  const completed = new Set(run.history.map(completedBy))
  return [
    ...(run.status === "completed" && !run.quarantined ? [] : [`${runId} is ${run.status}`]),
    ...(run.result === String(wanted.result)
      ? []
      : [`${runId} has given ${String(run.result)} in place of ${wanted.result}`]),
    ...wanted.works.flatMap((work) => (completed.has(work) ? [] : [`${runId}: "${work}" has not completed`]))
  ]
}

/** What was acknowledged is in the history as it was acknowledged, under the epoch of who was told so. */
const faultsOfAcknowledged = (runs: ReadonlyMap<RunId, StoredRun>, lines: ReadonlyArray<Line>) => {
  const epochs = new Map(Array.from(runs.values(), ({ history, runId }) => [runId, epochsOf(history)] as const))
  return only(lines, "acknowledged").flatMap((line) => {
    const { epoch, runId, seq } = line
    const what = `${runId}: "${nameOf(line)}", acknowledged as ${seq} under epoch ${epoch}`
    if (completedBy(runs.get(runId)?.history[seq - 1]) !== nameOf(line)) return [`${what}, is not there`]
    const by = epochs.get(runId)?.[seq - 1]
    return by === epoch ? [] : [`${what}, is in the history under epoch ${by}`]
  })
}

/** Executions that began after their module's completion was acknowledged to the same driver or an earlier one. */
const faultsOfExecutions = (lines: ReadonlyArray<Line>) => {
  const acknowledged = new Map<string, number>()
  const faults: Array<string> = []
  let stale = 0
  for (const line of lines) {
    if (line._tag !== "acknowledged" && line._tag !== "begun") continue
    const key = `${line.runId}: "${nameOf(line)}"`
    const epoch = acknowledged.get(key)
    if (line._tag === "acknowledged") acknowledged.set(key, Math.min(epoch ?? Infinity, line.epoch))
    else if (epoch !== undefined && line.epoch >= epoch) {
      faults.push(`${key}, acknowledged under epoch ${epoch}, began again under epoch ${line.epoch}`)
    } else if (epoch !== undefined) stale++
  }
  return { faults, stale }
}

/** Milliseconds between the last that was heard of a driver that did not let go of its run, and the claim of the next. */
const failOversOf = (runs: ReadonlyMap<RunId, StoredRun>, lines: ReadonlyArray<Line>): ReadonlyArray<number> => {
  const heard = new Map<string, number>()
  const released = new Set<string>()
  const key = (runId: RunId, epoch: number) => `${runId} ${epoch}`
  for (const line of lines) {
    if (line._tag === "claimed") heard.set(key(line.runId, line.epoch), line.at)
    if (line._tag === "released") released.add(key(line.runId, line.epoch))
    if (line._tag === "beat") {
      for (const [runId, epoch] of line.runs) heard.set(key(runId, epoch), line.at)
    }
  }
  const rested = new Set<string>()
  for (const { history, runId } of runs.values()) {
    for (const transition of history) {
      if (transition._tag === "RunTransition" && transition.status !== "running") {
        rested.add(key(runId, transition.epoch))
      }
    }
  }
  return only(lines, "claimed").flatMap(({ at, epoch, runId }) => {
    const before = key(runId, epoch - 1)
    const last = heard.get(before)
    return last === undefined || released.has(before) || rested.has(before) ? [] : [at - last]
  })
}

export interface Findings {
  readonly faults: ReadonlyArray<string>
  /** How often something happened that makes the rest worth anything. */
  readonly counts: {
    readonly processes: number
    readonly killed: number
    readonly stopped: number
    readonly claims: number
    readonly refused: number
    readonly executions: number
    /** Executions by a process that had lost the run and had yet to learn it. */
    readonly stale: number
  }
  /** Milliseconds, ascending. */
  readonly failOvers: ReadonlyArray<number>
}

export const findings = (
  wanted: ReadonlyArray<ChaosRun>,
  stored: ReadonlyArray<StoredRun>,
  lines: ReadonlyArray<Line>
): Findings => {
  const runs = new Map(stored.map((run) => [run.runId, run]))
  const executions = faultsOfExecutions(lines)
  const count = (tag: Line["_tag"]) => only(lines, tag).length
  return {
    faults: [
      ...wanted.flatMap((run) => faultsOfEnd(run, runs.get(run.runId))),
      ...stored.flatMap(faultsOfHistory),
      ...faultsOfAcknowledged(runs, lines),
      ...executions.faults,
      ...only(lines, "failed").map(({ pid }) => `process ${pid} ended by itself: its log says why`)
    ],
    counts: {
      processes: count("started"),
      killed: count("killed"),
      stopped: count("stopped"),
      claims: count("claimed"),
      refused: count("refused") + count("lost"),
      executions: count("begun"),
      stale: executions.stale
    },
    failOvers: [...failOversOf(runs, lines)].sort((a, b) => a - b)
  }
}
