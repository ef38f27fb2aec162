import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import type * as Dag from "../../dag/Dag.js"
import { MigrationRefused } from "../../model/MigrationError.js"
import { RunFinished, UnknownRun } from "../../model/RunError.js"
import type { RunId } from "../../model/RunId.js"
import { isEnded } from "../../model/Transition.js"
import * as Plan from "../../plan/Plan.js"
import type { RunLease } from "../../state/RunLease.js"
import type { Signals } from "../../state/Signals.js"
import type { Timeline } from "../../state/Timeline.js"
import type { MigrationPlan } from "../Migration.js"
import type { Admission } from "./Admission.js"
import * as Steps from "./Steps.js"

/** How a run becomes one of another Dag, as a plan says. `moved` is told of the fingerprint that it has then. */
export const make = ({
  admit,
  lease,
  moved,
  signals,
  timeline
}: {
  readonly admit: Admission["admit"]
  readonly lease: typeof RunLease.Service
  readonly timeline: typeof Timeline.Service
  readonly signals: typeof Signals.Service
  readonly moved: (fingerprint: string) => Effect.Effect<void>
}) => {
  const refuse = (runId: RunId, reason: MigrationRefused["reason"], paths: ReadonlyArray<string> = []) =>
    new MigrationRefused({ runId, reason, paths })

  /** The run is as the plan has it. */
  const check = (runId: RunId, { evidence }: MigrationPlan) =>
    Effect.gen(function* () {
      const found = yield* timeline.get(runId)
      if (Option.isNone(found)) return yield* new UnknownRun({ runId })
      const { fingerprint, seq, status } = found.value.snapshot
      if (isEnded(status)) return yield* new RunFinished({ runId, status })
      if (fingerprint !== evidence.from || seq !== evidence.seq) return yield* refuse(runId, "movedOn")
      const settled = (yield* signals.of([runId])).map(({ module }) => module).sort()
      if (!Equal.equals(Data.array(settled), Data.array(evidence.signals))) return yield* refuse(runId, "movedOn")
    })

  return (dag: Dag.Any, runId: RunId, migration: MigrationPlan) =>
    Effect.gen(function* () {
      const plan = yield* Plan.make(dag)
      const { decisions, evidence } = migration
      const { seq, to } = evidence
      if (evidence.runId !== runId) return yield* refuse(runId, "otherRun")
      if (to.fingerprint !== plan.fingerprint) return yield* refuse(runId, "otherDag")
      const { cells, removed, reset, steps } = Steps.make(evidence, decisions)
      const conflicts = steps.filter(({ action }) => action === "conflict").map(({ path }) => path)
      if (conflicts.length > 0) return yield* refuse(runId, "conflicts", conflicts)
      yield* check(runId, migration)
      // nobody is asked: the run has begun
      const admitted = yield* admit(plan, true, Effect.succeedNone)
      const version = admitted._tag === "Admitted" ? admitted.version : undefined
      yield* Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const claimed = yield* lease.claim(runId)
          // it has ended meanwhile: another look says how
          if (claimed._tag !== "Claimed")
            return yield* Effect.zipRight(restore(check(runId, migration)), refuse(runId, "movedOn"))
          const { claim } = claimed.held
          const at = yield* Clock.currentTimeMillis
          const took = yield* restore(check(runId, migration)).pipe(
            Effect.zipRight(
              lease.migrate(claim, {
                input: to.input,
                signals: to.signals,
                transition: {
                  _tag: "DagTransition",
                  seq: seq + 1,
                  at,
                  epoch: claim.epoch,
                  fingerprint: to.fingerprint,
                  ...(version === undefined ? undefined : { version }),
                  total: to.total,
                  removed,
                  reset,
                  cells
                }
              })
            ),
            Effect.ensuring(lease.release(claim))
          )
          if (!took) return yield* refuse(runId, "movedOn")
          yield* moved(to.fingerprint)
        })
      )
    })
}
