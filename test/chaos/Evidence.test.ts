/** What the checks of a run of chaos find, in the evidence of a run that was taken over once and to which something was done. */
import { assert, describe, it } from "@effect/vitest"
import { Dag, Module, RunId, type Transition } from "heddle"
import { Schema } from "effect"
import { findings, type StoredRun } from "./Evidence.js"
import type { Line } from "./Journal.js"
import type { ChaosRun } from "./Workload.js"

const runId = RunId.make("chain-0")
const n = Module.input("n", Schema.Int)

const wanted: ChaosRun = {
  runId,
  dag: Dag.make("chain", { outputs: { result: n } }),
  n: 1,
  result: 7,
  last: "b",
  works: ["a", "items:0", "b"],
  signals: []
}

const ran = (seq: number, status: Transition.RunStatus, epoch: number): Transition.Transition => ({
  _tag: "RunTransition",
  ...{ seq, at: seq, status, epoch }
})
const completed = (seq: number, module: string): Transition.Transition => ({
  _tag: "ModuleTransition",
  ...{ seq, at: seq, module, status: "completed", attempt: 1 }
})
const item = (seq: number): Transition.Transition => ({
  _tag: "ItemTransition",
  ...{ seq, at: seq, module: "items", index: 0, status: "completed" }
})

const history: ReadonlyArray<Transition.Transition> = [
  ran(1, "running", 1),
  completed(2, "a"),
  ran(3, "running", 2),
  item(4),
  completed(5, "b"),
  ran(6, "completed", 2)
]

const stored: StoredRun = { runId, status: "completed", epoch: 2, quarantined: false, history, result: "7" }

const claimed = (pid: number, at: number, epoch: number): Line => ({ _tag: "claimed", pid, at, runId, epoch })
const begun = (pid: number, epoch: number, module: string, index: number | null = null): Line => ({
  _tag: "begun",
  ...{ pid, at: 0, runId, epoch, module, index }
})
const acknowledged = (pid: number, epoch: number, module: string, seq: number, index: number | null = null): Line => ({
  _tag: "acknowledged",
  ...{ pid, at: 0, runId, epoch, module, index, seq }
})

const lines: ReadonlyArray<Line> = [
  { _tag: "started", pid: 1, at: 0 },
  claimed(1, 100, 1),
  begun(1, 1, "a"),
  { _tag: "beat", pid: 1, at: 300, runs: [[runId, 1]] },
  acknowledged(1, 1, "a", 2),
  begun(1, 1, "items", 0),
  { _tag: "stopped", pid: 1, at: 310 },
  claimed(2, 1400, 2),
  begun(2, 2, "items", 0),
  acknowledged(2, 2, "items", 4, 0),
  { _tag: "continued", pid: 1, at: 1500 },
  { _tag: "refused", pid: 1, at: 1501, runId, epoch: 1 },
  begun(2, 2, "b"),
  acknowledged(2, 2, "b", 5)
]

const faults = (run: Partial<StoredRun>, journal = lines) => findings([wanted], [{ ...stored, ...run }], journal).faults

const without = (seq: number, ...others: ReadonlyArray<Transition.Transition>) =>
  [...history.filter((transition) => transition.seq !== seq), ...others].sort((a, b) => a.seq - b.seq)

describe("the evidence of chaos", () => {
  it("has no faults where nothing went wrong, and says how long the fail-over took", () => {
    assert.deepStrictEqual(findings([wanted], [stored], lines), {
      faults: [],
      counts: { processes: 1, killed: 0, stopped: 1, claims: 2, refused: 1, executions: 4, stale: 0 },
      failOvers: [1100]
    })
  })

  it("does not count as a fail-over what was let go of or suspended", () => {
    const released: Line = { _tag: "released", pid: 1, at: 310, runId, epoch: 1 }
    assert.deepStrictEqual(findings([wanted], [stored], [...lines, released]).failOvers, [])
    const rested = { ...stored, history: without(2, ran(2, "suspended", 1)) }
    assert.deepStrictEqual(findings([wanted], [rested], lines).failOvers, [])
  })

  it("counts what a process executes that has yet to learn that it has lost the run", () => {
    const { counts, faults } = findings([wanted], [stored], [...lines, begun(1, 1, "b")])
    assert.deepStrictEqual([faults, counts.stale], [[], 1])
  })

  for (const [what, run, journal, fault] of [
    [
      "a second completion",
      { history: without(6, completed(6, "a"), ran(7, "completed", 2)) },
      lines,
      /two completions/
    ],
    [
      "of an item too",
      { history: without(6, item(6), ran(7, "completed", 2)) },
      lines,
      /"items:0" has two completions/
    ],
    ["a stale write", { history: without(4, ran(4, "running", 1)) }, lines, /running under epoch 1 after epoch 2/],
    ["an end under another epoch", { history: without(6, ran(6, "completed", 1)) }, lines, /completed under epoch 1/],
    ["what no driver wrote", { history: [...history, completed(7, "c")] }, lines, /transition 7 is of no driver/],
    ["a gap", { history: without(4) }, lines, /transition 4 has the number 5/],
    ["an epoch that the run does not have", { epoch: 1 }, lines, /its history has the epoch 2, and it 1/],
    ["a run that has not ended", { status: "running" }, lines, /chain-0 is running/],
    ["a run that is left alone", { quarantined: true }, lines, /chain-0 is/],
    ["a wrong output", { result: "8" }, lines, /has given 8 in place of 7/],
    ["no output", { result: undefined }, lines, /has given undefined/],
    ["a module that did not complete", { history: without(5, ran(5, "suspended", 2)) }, lines, /"b" has not completed/],
    ["what was acknowledged and is lost", {}, [...lines, acknowledged(2, 2, "c", 7)], /"c", .*, is not there/],
    ["what is there under another epoch", {}, [...lines, acknowledged(1, 1, "b", 5)], /"b", .* under epoch 2/],
    ["an execution of what was acknowledged", {}, [...lines, begun(2, 2, "b")], /"b", .*, began again under epoch 2/],
    ["by a later driver too", {}, [...lines, begun(3, 3, "a")], /"a", .*, began again under epoch 3/],
    ["a process that ended by itself", {}, [...lines, { _tag: "failed", pid: 9, at: 0 }], /process 9 ended by itself/]
  ] as ReadonlyArray<readonly [string, Partial<StoredRun>, ReadonlyArray<Line>, RegExp]>) {
    it(`finds ${what}`, () => {
      assert.match(faults(run, journal).join("\n"), fault)
    })
  }

  it("finds a run that is not there", () => {
    assert.deepStrictEqual(findings([wanted], [], [])["faults"], ["chain-0 is not stored"])
  })
})
