/**
 * One of the processes: an engine that drives whatever runs it finds, until it is stopped. What it does is in the journal.
 */
// not by its package: undici, which comes with that, would take longer to load than all the rest
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Random, Schema } from "effect"
import { Heddle, Run, type RunId, RunStore } from "heddle"
import * as Backend from "./Backend.js"
import * as Journal from "./Journal.js"
import { Settings } from "./Settings.js"
import * as Workload from "./Workload.js"

const settings = Schema.decodeSync(Schema.parseJson(Settings))(process.argv[2]!)
const { pid } = process
const write = Journal.writer(settings.journal)
const { now } = Journal

/** The epochs of the runs that this process has claimed last. */
const epochs = new Map<RunId, number>()

/** The store, and what was done with it after it was. */
const journaled = Layer.effect(
  RunStore.RunStore,
  Effect.map(RunStore.RunStore, (store): RunStore.RunStore["Type"] => ({
    ...store,
    claim: (request) =>
      Effect.tap(store.claim(request), (claim) =>
        Effect.sync(() => {
          if (claim._tag !== "Claimed") return
          const { epoch, runId } = claim.run
          epochs.set(runId, epoch)
          write({ _tag: "claimed", pid, at: request.now, runId, epoch })
        })
      ),
    release: (run) =>
      Effect.tap(store.release(run), () =>
        Effect.sync(() => write({ _tag: "released", pid, at: now(), runId: run.runId, epoch: run.epoch }))
      ),
    heartbeat: (runs, at) =>
      Effect.tap(store.heartbeat(runs, at), (lost) =>
        Effect.sync(() => {
          const kept = runs.filter(({ runId }) => !lost.includes(runId))
          write({ _tag: "beat", pid, at, runs: kept.map(({ epoch, runId }) => [runId, epoch]) })
          for (const { epoch, runId } of runs) {
            if (lost.includes(runId)) write({ _tag: "lost", pid, at, runId, epoch })
          }
        })
      ),
    commit: (batch) =>
      Effect.tap(store.commit(batch), (refused) =>
        Effect.sync(() => {
          const back = new Set(refused)
          for (const changes of batch.runs) {
            const { epoch, runId } = changes
            if (back.has(changes)) {
              write({ _tag: "refused", pid, at: now(), runId, epoch })
              continue
            }
            for (const transition of changes.transitions) {
              if (transition._tag !== "ModuleTransition" && transition._tag !== "ItemTransition") continue
              if (transition.status !== "completed") continue
              const index = transition._tag === "ItemTransition" ? transition.index : null
              const { module, seq } = transition
              write({ _tag: "acknowledged", pid, at: now(), runId, epoch, module, index, seq })
            }
          }
        })
      )
  }))
).pipe(Layer.provide(Backend.layer(settings.backend)))

const work: Workload.Work = (module, index) =>
  Effect.gen(function* () {
    const runId = yield* Run.id
    const line = { pid, runId, epoch: epochs.get(runId) ?? 0, module, index: index ?? null }
    write({ _tag: "begun", at: now(), ...line })
    const [from, to] = settings.work
    yield* Effect.sleep(yield* Random.nextIntBetween(from, to + 1)).pipe(
      Effect.onInterrupt(() => Effect.sync(() => write({ _tag: "interrupted", at: now(), ...line })))
    )
    write({ _tag: "done", at: now(), ...line })
  })

const { expiry, heartbeat, maxRuns, owner, poll, size } = settings

NodeRuntime.runMain(
  Layer.launch(
    Heddle.layer({
      engine: { dags: Workload.dags(size, work), maxRuns, poll, maxRecoveries: 100 },
      lease: { owner, heartbeat, expiry }
    }).pipe(
      Layer.provide(journaled),
      // it is driving
      Layer.tap(() => Effect.sync(() => process.send?.("ready")))
    )
  )
)
