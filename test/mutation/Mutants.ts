/** Faults that are planted in the code: each a text that takes the place of another when the code is bundled. */
import type { Scenario } from "./subject.js"

export interface Mutant {
  readonly fault: string
  readonly scenario: Scenario
  readonly file: string
  readonly from: string
  readonly to: string
}

export const mutants: ReadonlyArray<Mutant> = [
  {
    fault: "a missing await: batches are written side by side",
    scenario: "writer",
    file: "state/internal/Writer.ts",
    from: "Effect.suspend(() => write(take()))",
    to: "Effect.suspend(() => Effect.forkDaemon(write(take())))"
  },
  {
    fault: "an acknowledgement before the commit",
    scenario: "writer",
    file: "state/internal/Committer.ts",
    from: "Effect.matchCauseEffect(restore(commit(parts, patient)), {",
    to: "Effect.matchCauseEffect(Effect.zipRight(Effect.sync(() => parts.forEach((part) => part.entries.forEach(fate.acknowledge))), restore(commit(parts, patient))), {"
  },
  {
    fault: "a batch without a transaction: rows and history are written apart",
    scenario: "writer",
    file: "state/internal/Committer.ts",
    from: "        return store.commit(batch)\n",
    to: "        return Effect.zipRight(store.commit({ ...batch, runs: batch.runs.map((run) => ({ ...run, transitions: [] })) }), store.commit(batch))\n"
  },
  {
    fault: "a status that regresses: a late one is taken",
    scenario: "writer",
    file: "model/ModuleStatus.ts",
    from: "!isFinal(previous.status) &&\n  (next.attempt > previous.attempt || (next.attempt === previous.attempt && rank[next.status] > rank[previous.status]))",
    to: "next.attempt >= previous.attempt"
  },
  {
    fault: "a driver that was taken over is not told",
    scenario: "writer",
    file: "state/internal/Committer.ts",
    from: 'if (unit._tag === "Run" && change !== undefined && refused.includes(change)) {',
    to: "if (refused.length < 0) {"
  },
  {
    fault: "a busy store is taken for a commit",
    scenario: "writer",
    file: "state/internal/Committer.ts",
    from: "Effect.retry(attempt, { while: isTransient, schedule: options.retry })",
    to: "Effect.catchAll(attempt, () => Effect.succeed([]))"
  },
  {
    fault: "history is coalesced with the rows",
    scenario: "writer",
    file: "state/internal/Batch.ts",
    from: "    transitions.push(transition)\n",
    to: '    if (transition._tag !== "ModuleTransition" || transition.status !== "scheduled") transitions.push(transition)\n'
  },
  {
    fault: "after a write that was refused later ones are written",
    scenario: "writer",
    file: "state/internal/Writer.ts",
    from: 'if (unit._tag === "Run") unit.refused = error as RunWriteError',
    to: ""
  },
  {
    fault: "what is read is not followed by what was accepted meanwhile",
    scenario: "writer",
    file: "state/internal/Latest.ts",
    from: "updates: [...options.pending(key)]",
    to: "updates: []"
  },
  {
    fault: "a read-modify-write outside of the Ref: two drivers of one run",
    scenario: "engine",
    file: "run/internal/LiveRuns.ts",
    from: "const other = yield* Ref.modify(entries, (map) => {\n        const found = HashMap.get(map, runId)\n        return [found, Option.isSome(found) ? map : HashMap.set(map, runId, mine)]\n      })",
    to: "const other = HashMap.get(yield* Ref.get(entries), runId)\n      if (Option.isNone(other)) yield* Ref.set(entries, HashMap.set(yield* Ref.get(entries), runId, mine))"
  },
  {
    fault: "a dependant that does not wait for the commit",
    scenario: "engine",
    file: "run/internal/Driver.ts",
    from: 'if (durability === "memory") {',
    to: 'if (durability !== "buffered") {'
  },
  {
    fault: "changes are published before their commit",
    scenario: "engine",
    file: "run/internal/Driver.ts",
    from: "      writer.unsafeUpdate(\n",
    to: "      publish(transition)\n      writer.unsafeUpdate(\n"
  },
  {
    fault: "a shared cell is changed by what an update saw, not by what is there",
    scenario: "engine",
    file: "run/internal/SharedCells.ts",
    from: "for (const [group, values] of next.right) group.values.current = values",
    to: "for (const [group, values] of next.right) setImmediate(() => { group.values.current = values })"
  }
]
