/**
 * What a request makes of the row of a run.
 */
import type { RunId } from "../../model/RunId.js"
import { isEnded, isResumable, type Transition } from "../../model/Transition.js"
import type { RunChanges, RunRow, Seed } from "../RunStore.js"

/** What a commit may change of the row of a run. */
type Progress = Pick<RunRow, "seq" | "status" | "finishedAt" | "wakeAt" | "recoveries" | "quarantined">

/** The row of a run as far as a commit must know it. */
export interface KnownRow extends Progress, Pick<RunRow, "epoch"> {}

/** A run in a database, within one transaction: `row` becomes what the transaction makes of it. */
export interface Known<Row extends KnownRow = KnownRow> {
  readonly id: number
  row: Row
}

/** What a run is after its changes; `transitions` are those that it did not have yet. */
interface Advance extends Progress {
  readonly transitions: ReadonlyArray<Transition>
}

const completes = (transition: Transition): boolean =>
  (transition._tag === "ModuleTransition" || transition._tag === "ItemTransition") && transition.status === "completed"

/**
 * What becomes of changes: a driver that has lost the run is refused. The end of a run that it has already is one that is
 * written again, since the answer to the first time was lost.
 */
const verdict = (
  run: KnownRow | undefined,
  { epoch, transitions }: Pick<RunChanges, "epoch" | "transitions">
): "written" | "repeated" | "refused" => {
  if (run === undefined || run.epoch !== epoch) return "refused"
  if (!isEnded(run.status)) return "written"
  const last = transitions.at(-1)
  return last !== undefined && last.seq <= run.seq ? "repeated" : "refused"
}

/** Signals are not looked at: a suspended run for which one is there is due at once, whatever `wakeAt` is here. */
const advance = (
  run: Omit<Progress, "finishedAt">,
  changes: Pick<RunChanges, "transitions" | "status" | "wakeAt">
): Advance => {
  const transitions: Array<Transition> = []
  const status = changes.status ?? run.status
  let seq = run.seq
  let finishedAt: number | null = null
  for (const transition of changes.transitions) {
    if (transition.seq <= seq) continue
    seq = transition.seq
    transitions.push(transition)
    if (transition._tag === "RunTransition" && transition.status === status) finishedAt = transition.at
  }
  const isStill = changes.status === undefined || changes.status === "running"
  const progressed = !isStill || transitions.some(completes)
  return {
    transitions,
    seq,
    status,
    finishedAt: isEnded(status) ? finishedAt : null,
    wakeAt: status !== "suspended" ? null : changes.status === undefined ? run.wakeAt : changes.wakeAt,
    recoveries: progressed ? 0 : run.recoveries,
    quarantined: !progressed && run.quarantined
  }
}

/** What a new run begins with, and the number of its last transition. */
export const begin = (seed: Seed = { modules: [], items: [], shared: [], transitions: [] }) => {
  const { seq, transitions } = advance(
    { seq: 0, status: "running", wakeAt: null, recoveries: 0, quarantined: false },
    { transitions: seed.transitions, status: undefined, wakeAt: null }
  )
  return { seed, seq, transitions }
}

/**
 * What a commit makes of the rows of these runs. `add` gets the changes of those that are written, one after the other:
 * the row is already what they make of it, and `transitions` are those that the run did not have yet.
 */
export const commit = <Run extends { row: KnownRow }>(
  batch: ReadonlyArray<RunChanges>,
  runs: ReadonlyMap<RunId, Run>,
  add: (run: Run, changes: RunChanges, transitions: ReadonlyArray<Transition>) => void
): {
  readonly written: ReadonlySet<Run>
  readonly suspended: ReadonlyArray<Run>
  readonly refused: ReadonlyArray<RunChanges>
} => {
  const refused: Array<RunChanges> = []
  const written = new Set<Run>()
  for (const changes of batch) {
    const run = runs.get(changes.runId)
    const made = verdict(run?.row, changes)
    if (made === "refused") refused.push(changes)
    if (made !== "written" || run === undefined) continue
    const { transitions, ...progress } = advance(run.row, changes)
    run.row = { ...run.row, ...progress }
    written.add(run)
    add(run, changes, transitions)
  }
  return { written, suspended: Array.from(written).filter(({ row }) => row.status === "suspended"), refused }
}

/** Whether a driver has confirmed since `expiredBefore` that it drives the run. */
export const isDriven = (
  run: { readonly owner: string; readonly heartbeatAt: number },
  expiredBefore: number
): boolean => run.owner !== "" && run.heartbeatAt >= expiredBefore

/** What a claim makes of a run: its row, the same object where nothing changes, and whether it had ended and is reopened. */
export type Claiming =
  | { readonly _tag: "Claimed"; readonly run: RunRow; readonly reopened: boolean }
  | { readonly _tag: "Held"; readonly run: RunRow }
  | { readonly _tag: "Finished"; readonly run: RunRow }
  | { readonly _tag: "Quarantined"; readonly run: RunRow }

export const claim = (
  run: RunRow,
  request: {
    readonly owner: string
    readonly now: number
    readonly expiredBefore: number
    readonly reopen: boolean
    readonly maxRecoveries?: number | undefined
    readonly token?: number | undefined
  }
): Claiming => {
  const { maxRecoveries = Infinity, now, owner, token } = request
  const claimed: RunRow = { ...run, owner, epoch: token ?? run.epoch + 1, heartbeatAt: now }
  // with a token the lease says who drives the run; one that is not larger is that of a former holder
  const isHeld = token === undefined ? isDriven(run, request.expiredBefore) : token <= run.epoch
  if (isEnded(run.status)) {
    // whoever drove it to its end drives it no more, whatever the heartbeat says
    if (!request.reopen || !isResumable(run.status)) return { _tag: "Finished", run }
    if (token !== undefined && isHeld) return { _tag: "Held", run }
    const reopened: RunRow = { ...claimed, status: "running", startedAt: now, finishedAt: null, wakeAt: null }
    return { _tag: "Claimed", run: reopened, reopened: true }
  }
  if (isHeld) return { _tag: "Held", run }
  if (run.quarantined) {
    return request.maxRecoveries === undefined
      ? { _tag: "Claimed", run: { ...claimed, recoveries: 0, quarantined: false }, reopened: false }
      : { _tag: "Quarantined", run }
  }
  const recoveries = run.owner === "" ? run.recoveries : run.recoveries + 1
  return recoveries > maxRecoveries
    ? { _tag: "Quarantined", run: { ...run, recoveries, quarantined: true } }
    : { _tag: "Claimed", run: { ...claimed, recoveries }, reopened: false }
}
