/**
 * Stores that do one thing wrong.
 */
import { Effect, Layer, Option } from "effect"
import { isEnded } from "heddle/model/Transition"
import {
  type DeadLetter,
  type Kept,
  type ModuleRow,
  type RunChanges,
  type RunRow,
  RunStore
} from "heddle/store/RunStore"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import { openedRun } from "../../src/testing/internal/contract/Rows.js"

type Store = typeof RunStore.Service
export type Change = (store: Store) => Partial<Store>

/** The store in memory, with some methods of another behaviour. */
export const broken = (change: Change) =>
  Layer.effect(
    RunStore,
    Effect.map(RunStore, (store) => ({ ...store, ...change(store) }))
  ).pipe(Layer.provide(RunStoreMemory.layer()))

const row =
  (change: (row: RunRow) => Partial<RunRow>): Change =>
  (store) => ({
    run: (id) =>
      Effect.map(
        store.run(id),
        Option.map((row) => ({ ...row, ...change(row) }))
      )
  })

const rows =
  (change: (row: ModuleRow) => Partial<ModuleRow>): Change =>
  (store) => ({
    get: (id) =>
      Effect.map(
        store.get(id),
        Option.map(({ modules, ...stored }) => ({
          ...stored,
          modules: modules.map((row) => ({ ...row, ...change(row) }))
        }))
      )
  })

export const written =
  (change: (changes: RunChanges) => Partial<RunChanges>): Change =>
  (store) => ({
    commit: (batch) => store.commit({ ...batch, runs: batch.runs.map((run) => ({ ...run, ...change(run) })) })
  })

const letter: DeadLetter = {
  at: 1,
  kind: "run",
  key: "a",
  epoch: 1,
  reason: "lost",
  message: "",
  count: 1,
  updates: "[]"
}

/** `found`: how the names begin of the checks that find it. */
export const faults: ReadonlyArray<{
  readonly fault: string
  readonly change: Change
  readonly found: ReadonlyArray<string>
}> = [
  {
    fault: "creates a run that there is",
    change: (store) => ({ open: (run) => Effect.as(store.open(run), { _tag: "Created" }) }),
    found: [
      "open: gives the run that has the id, and changes nothing of it",
      "open: creates once when many ask at once",
      "open with a seed: changes nothing of a run that exists"
    ]
  },
  {
    fault: "forgets the seed",
    change: (store) => ({ open: ({ seed: _, ...run }) => store.open(run) }),
    found: ["open with a seed: begins with its modules, items, shared cells and transitions"]
  },
  {
    fault: "forgets the shared cells of a seed",
    change: (store) => ({
      open: ({ seed, ...run }) => store.open({ ...run, seed: seed === undefined ? undefined : { ...seed, shared: [] } })
    }),
    found: ["open with a seed: begins with its modules, items, shared cells and transitions"]
  },
  {
    fault: "forgets the version",
    change: (store) => ({ open: ({ version: _, ...run }) => store.open(run) }),
    found: ["open: creates a run", "open: keeps the version"]
  },
  {
    fault: "takes an empty version for none",
    change: row(({ version }) => ({ version: version || null })),
    found: ["open: keeps the version"]
  },
  {
    fault: "migrates whoever asks",
    change: (store) => ({
      migrate: (migration) =>
        Effect.flatMap(
          store.run(migration.runId),
          Option.match({
            onNone: () => Effect.succeed(true),
            onSome: ({ epoch, seq }) =>
              store.migrate({ ...migration, epoch, transition: { ...migration.transition, seq: seq + 1 } })
          })
        )
    }),
    found: ["migrate: refuses another driver", "migrate: takes place once"]
  },
  {
    fault: "keeps in a migration what is to be forgotten",
    change: (store) => ({
      migrate: (migration) =>
        store.migrate({ ...migration, transition: { ...migration.transition, removed: [], reset: [], cells: [] } })
    }),
    found: ["migrate: makes the run one of the other Dag"]
  },
  {
    fault: "forgets all signals in a migration",
    change: (store) => ({
      migrate: (migration) =>
        store.migrate({
          ...migration,
          transition: { ...migration.transition, removed: [...migration.transition.removed, "ask"] }
        })
    }),
    found: ["migrate: keeps a signal that stays"]
  },
  {
    fault: "makes a suspended run due at once in a migration",
    change: (store) => ({
      migrate: (migration) => store.migrate({ ...migration, transition: { ...migration.transition, at: 0 } })
    }),
    found: ["migrate: makes a suspended run due", "migrate: makes the run one of the other Dag"]
  },
  {
    fault: "does not know as which Dag a run was kept",
    change: (store) => ({
      snapshot: (id, bound) =>
        Effect.flatMap(store.snapshot(id, bound), (kept) =>
          Effect.map(store.run(id), (run) =>
            Option.zipWith(kept, run, (kept, { fingerprint, total, version }) => ({
              ...kept,
              stored: { ...kept.stored, run: { ...kept.stored.run, fingerprint, total, version } }
            }))
          )
        )
    }),
    found: ["migrate: keeps as which Dag"]
  },
  {
    fault: "has whole numbers as times",
    change: (store) => ({ open: (run) => store.open({ ...run, createdAt: Math.floor(run.createdAt) }) }),
    found: ["open: keeps large inputs, long ids and fractions of times"]
  },
  {
    fault: "begins without a heartbeat",
    change: row(() => ({ heartbeatAt: 0 })),
    found: ["open: creates a run", "heartbeat: confirms runs and gives the lost ones"]
  },
  {
    fault: "has an output of every module",
    change: (store) => ({
      outputs: (id, modules) =>
        Effect.map(store.outputs(id, modules), (found) => new Map([...modules.map((m) => [m, "0"] as const), ...found]))
    }),
    found: ["open: knows no other run", "outputs: of those of the named modules that have one"]
  },
  {
    fault: "reads the outputs of 1,000 modules at most",
    change: (store) => ({ outputs: (id, modules) => store.outputs(id, modules.slice(0, 1000)) }),
    found: ["outputs: of more modules than a statement has parameters"]
  },
  {
    fault: "gives every run an owner",
    change: (store) => ({ open: (run) => store.open({ ...run, owner: run.owner || "one" }) }),
    found: ["open: without an owner"]
  },
  {
    fault: "begins with the epoch 1 where it should with 0",
    change: (store) => ({ open: (run) => store.open({ ...run, epoch: run.epoch || 1 }) }),
    found: ["open: without an owner"]
  },
  {
    fault: "knows nothing of tokens",
    change: (store) => ({ claim: ({ token: _, ...request }) => store.claim(request) }),
    found: ["claim with a token: takes the run", "claim with a token: that is not larger than the epoch"]
  },
  {
    fault: "takes any token",
    change: (store) => ({
      claim: (request) =>
        Effect.flatMap(store.run(request.runId), (run) => {
          const { token } = request
          const least = Option.match(run, { onNone: () => 1, onSome: ({ epoch }) => epoch + 1 })
          return store.claim({ ...request, token: token === undefined ? undefined : Math.max(token, least) })
        })
    }),
    found: [
      "claim with a token: that is not larger than the epoch",
      "claim with a token: reopens a run",
      "claim with a token: has one winner"
    ]
  },
  {
    fault: "lets a driver write, confirm and let go that was fenced off",
    change: (store) => {
      const own = <Run extends { readonly runId: RunRow["runId"] }>(run: Run) =>
        Effect.map(
          store.run(run.runId),
          Option.match({ onNone: () => ({ ...run, epoch: 0 }), onSome: ({ epoch }) => ({ ...run, epoch }) })
        )
      return {
        commit: (batch) => Effect.flatMap(Effect.forEach(batch.runs, own), (runs) => store.commit({ ...batch, runs })),
        heartbeat: (runs, now) => Effect.flatMap(Effect.forEach(runs, own), (runs) => store.heartbeat(runs, now)),
        release: (run) => Effect.flatMap(own(run), store.release)
      }
    },
    found: ["claim with a token: fences off"]
  },
  {
    fault: "counts no recovery where there is a token",
    change: (store) => ({
      claim: (request) =>
        Effect.zipRight(
          request.token === undefined
            ? Effect.void
            : Effect.flatMap(
                store.run(request.runId),
                Option.match({
                  onNone: () => Effect.void,
                  onSome: ({ epoch, runId }) => store.release({ epoch, runId })
                })
              ),
          store.claim(request)
        )
    }),
    found: ["claim with a token: takes the run", "claim with a token: counts recoveries"]
  },
  {
    fault: "has a run that nobody knows",
    change: (store) => ({
      claim: (request) =>
        Effect.map(store.claim(request), (claim) =>
          claim._tag === "Unknown" ? { _tag: "Held", run: openedRun("a") } : claim
        )
    }),
    found: ["claim: of a run nobody knows"]
  },
  {
    fault: "takes a run from a driver that is alive",
    change: (store) => ({ claim: (request) => store.claim({ ...request, expiredBefore: Infinity }) }),
    found: [
      "claim: is refused while the heartbeat is not before `expiredBefore`",
      "claim: has one winner when many claim at once",
      "claim with reopen: of a run that is running",
      "claim with reopen: of a run that is suspended",
      "the status of a run: when suspended: it is kept by commits without one, confirmed, let go of and claimed, until it runs again"
    ]
  },
  {
    fault: "gives the epoch of before the claim",
    change: (store) => ({
      claim: (request) =>
        Effect.map(store.claim(request), (claim) =>
          claim._tag === "Claimed" ? { ...claim, run: { ...claim.run, epoch: claim.run.epoch - 1 } } : claim
        )
    }),
    found: ["claim: takes an expired run, with the next epoch"]
  },
  {
    fault: "lets no run go",
    change: () => ({ release: () => Effect.void }),
    found: [
      "claim: takes a run that was let go, whatever the time is",
      "due: are running runs that nobody drives, and suspended ones whose time has come"
    ]
  },
  {
    fault: "reopens without being asked to",
    change: (store) => ({ claim: (request) => store.claim({ ...request, reopen: true }) }),
    found: ["claim: does not take a finished run", "claim with reopen: of a run that is failed"]
  },
  {
    fault: "never reopens",
    change: (store) => ({ claim: (request) => store.claim({ ...request, reopen: false }) }),
    found: [
      "claim with reopen: of a run that is cancelled",
      "claim with reopen: of a run that is timedOut",
      "claim with reopen: makes what did not complete pending, and forgets what is in its way",
      "claim with reopen: lets a module run again, in the same or the next attempt, and fail again",
      "claim with reopen: has one winner when many claim at once"
    ]
  },
  {
    fault: "says that somebody drives what has ended",
    change: (store) => ({
      claim: (request) =>
        Effect.map(store.claim(request), (claim) => (claim._tag === "Finished" ? { ...claim, _tag: "Held" } : claim))
    }),
    found: ["claim with reopen: of a run that is completed", "claim with reopen: of a run that is stopped"]
  },
  {
    fault: "gives back copies of what it refused",
    change: written(() => ({})),
    found: ["commit: refuses a stale, an unknown and a finished run, and writes the others"]
  },
  {
    fault: "writes no transitions",
    change: written(() => ({ transitions: [] })),
    found: [
      "commit: writes modules, transitions and the run",
      "commit: leaves out transitions that the run has, so that a batch can be written again",
      "commit: takes batches of every size",
      "commit: of many fibers at once loses nothing",
      "items: by the thousands",
      "history: the rows are the fold of the transitions, and their numbers have no gaps"
    ]
  },
  {
    fault: "refuses all changes of a run that has ended",
    change: (store) => ({
      commit: (batch) =>
        Effect.gen(function* () {
          const hasEnded = (changes: RunChanges) =>
            Effect.map(
              store.run(changes.runId),
              Option.exists(({ status }) => isEnded(status))
            )
          const ended = yield* Effect.filter(batch.runs, hasEnded)
          const open = yield* Effect.filter(batch.runs, hasEnded, { negate: true })
          return [...ended, ...(yield* store.commit({ ...batch, runs: open }))]
        })
    }),
    found: ["the status of a run: once it has ended"]
  },
  {
    fault: "confirms a run by a commit of nothing",
    change: (store) => ({
      commit: (batch) => Effect.zipLeft(store.commit(batch), store.heartbeat(batch.runs, 7))
    }),
    found: ["commit: of nothing does nothing"]
  },
  {
    fault: "writes a batch from its end",
    change: (store) => ({ commit: (batch) => store.commit({ ...batch, runs: [...batch.runs].reverse() }) }),
    found: ["commit: counts several changes of one run in their order"]
  },
  {
    fault: "forgets when a module was scheduled",
    change: rows(() => ({ scheduledAt: null })),
    found: ["commit: keeps the times and the failure of the same attempt, and drops those of an earlier one"]
  },
  {
    fault: "lets every status follow",
    change: (store) => {
      let attempt = 0
      return written(({ modules }) => ({ modules: modules.map((row) => ({ ...row, attempt: ++attempt })) }))(store)
    },
    found: ["commit: lets no status follow that may not follow"]
  },
  {
    fault: "cuts off spaces",
    change: written(({ modules }) => ({ modules: modules.map((row) => ({ ...row, module: row.module.trim() })) })),
    found: ["texts: any text may name a module or stand in it"]
  },
  {
    fault: "has no failed items",
    change: (store) => ({
      items: (id, modules) =>
        Effect.map(store.items(id, modules), (items) => items.filter(({ status }) => status === "completed"))
    }),
    found: [
      "items: of the named modules, and their counts",
      "items: that completed stay, and those that failed give way"
    ]
  },
  {
    fault: "forgets how many items a map has",
    change: rows(() => ({ items: null })),
    found: ["rows: the rows of a module keep how many items it has, and never until when it waits"]
  },
  {
    fault: "writes no shared cells",
    change: written(() => ({ shared: [] })),
    found: ["rows: shared cells have their latest value"]
  },
  {
    fault: "begins a page with the last one of the page before",
    change: (store) => ({ history: (id, page) => store.history(id, { ...page, after: page.after - 1 }) }),
    found: ["history: history is paged by number"]
  },
  {
    fault: "has a history of whole numbers",
    change: (store) => ({
      history: (id, page) =>
        Effect.map(store.history(id, page), (transitions) =>
          transitions.map((transition) => ({ ...transition, at: Math.floor(transition.at) }))
        )
    }),
    found: ["history: history gives every kind of transition as it was"]
  },
  {
    fault: "gives the latest snapshot of all",
    change: (store) => ({ snapshot: (id) => store.snapshot(id, {}) }),
    found: ["snapshot: is the latest one within its bounds", "snapshot: is by number the latest one"]
  },
  {
    fault: "does not include the bound of a snapshot",
    change: (store) => ({
      snapshot: (id, { at, seq }) =>
        store.snapshot(id, {
          at: at === undefined ? undefined : at - 0.01,
          seq: seq === undefined ? undefined : seq - 1
        })
    }),
    found: ["snapshot: is the latest one within its bounds", "snapshot: is by number the latest one", "snapshot: is of"]
  },
  {
    fault: "gives what is stored now as a snapshot",
    change: (store) => ({
      snapshot: (id, bound) =>
        Effect.zipWith(store.snapshot(id, bound), store.get(id), (kept, stored) =>
          Option.zipWith(kept, stored, (kept, stored) => ({ ...kept, stored }))
        )
    }),
    found: [
      "snapshot: has all that is stored of a run",
      "snapshot: is the latest one within its bounds",
      "snapshot: is by number the latest one",
      "snapshot: is kept once",
      "snapshot: of a suspended run",
      "snapshot: is of its own run"
    ]
  },
  {
    fault: "keeps a snapshot for whoever asks",
    change: (store) => ({
      keepSnapshot: ({ runId }) =>
        Effect.flatMap(
          store.run(runId),
          Option.match({
            onNone: () => Effect.succeed(0),
            onSome: ({ epoch }) => store.keepSnapshot({ runId, epoch })
          })
        )
    }),
    found: ["snapshot: is not kept of a run that is unknown"]
  },
  {
    fault: "keeps no snapshot of a run that has ended",
    change: (store) => ({
      keepSnapshot: (run) =>
        Effect.flatMap(store.run(run.runId), (row) =>
          Option.exists(row, ({ status }) => isEnded(status)) ? Effect.succeed(0) : store.keepSnapshot(run)
        )
    }),
    found: ["snapshot: of a run that has ended has its end"]
  },
  {
    fault: "has snapshots of runs that it deleted",
    change: (store) => {
      const kept = new Map<string, Kept>()
      return {
        snapshot: (id, bound) =>
          Effect.map(store.snapshot(id, bound), (found) => {
            if (Option.isSome(found)) kept.set(id, found.value)
            return bound.seq === undefined && bound.at === undefined ? Option.fromNullable(kept.get(id)) : found
          }),
        keepSnapshot: (run) =>
          Effect.tap(store.keepSnapshot(run), () =>
            Effect.map(store.snapshot(run.runId, {}), (found) => {
              if (Option.isSome(found)) kept.set(run.runId, found.value)
            })
          )
      }
    },
    found: ["snapshot: goes with its run"]
  },
  {
    fault: "lists the first page only",
    change: (store) => ({ list: (filter) => store.list({ ...filter, before: undefined }) }),
    found: ["list: list filters, pages and breaks ties by id"]
  },
  {
    fault: "does not write the status of a run",
    change: written(() => ({ status: undefined })),
    found: ["the status of a run: is written, with the time of its end only where it has ended"]
  },
  {
    fault: "says of each signal that it is the first",
    change: (store) => ({
      signal: (signal) =>
        Effect.map(store.signal(signal), (answer) =>
          answer._tag === "Settled" ? { _tag: "Settled", was: undefined } : answer
        )
    }),
    found: ["signal: is delivered or closed once, and stays so", "signal: has one winner when many come at once"]
  },
  {
    fault: "takes any signal",
    change: (store) => ({
      signal: (signal) =>
        Effect.map(store.signal(signal), (answer) =>
          answer._tag === "UnknownSignal" ? { _tag: "Settled", was: undefined } : answer
        )
    }),
    found: ["signal: is refused of a run that is unknown, has ended or does not have it"]
  },
  {
    fault: "loses a wake-up",
    change: row(({ wakeAt }) => ({ wakeAt: wakeAt === 0 ? 70 : wakeAt })),
    found: ["delivered", "closed"].flatMap((verb) =>
      ["after its run was suspended", "before its run is suspended"].map(
        (time) => `signal: that is ${verb} ${time} makes it due at once, when that module waits`
      )
    )
  },
  {
    fault: "makes a running run due",
    change: row(({ wakeAt }) => ({ wakeAt: wakeAt ?? 0 })),
    found: ["delivered", "closed"].map((verb) => `signal: that is ${verb} while its run is running does not mark it`)
  },
  {
    fault: "gives what is due from its end",
    change: (store) => ({
      due: (request) => Effect.map(store.due(request), ({ runs, ...due }) => ({ ...due, runs: [...runs].reverse() }))
    }),
    found: ["due: are those of the Dags, at most `limit`, in the order of their time, creation and id"]
  },
  {
    fault: "says that each run was recovered once",
    change: row(() => ({ recoveries: 1 })),
    found: [
      "recovery: begins anew with",
      "recovery: counts the drivers that have vanished",
      "recovery: counts progress anywhere",
      "recovery: does not count",
      "recovery: of a run that has ended is none"
    ]
  },
  {
    fault: "counts no recovery",
    change: row(() => ({ recoveries: 0 })),
    found: ["recovery: goes on after", "recovery: counts a driver that could not drive it", "recovery: gives the row"]
  },
  {
    fault: "gives up no run",
    change: (store) => ({ claim: ({ maxRecoveries: _, ...request }) => store.claim(request) }),
    found: ["recovery: is given up after too many", "recovery: may be given up", "recovery: leaves"]
  },
  {
    fault: "gives up runs that are claimed by hand",
    change: (store) => ({ claim: (request) => store.claim({ ...request, maxRecoveries: request.maxRecoveries ?? 1 }) }),
    found: ["recovery: begins anew when it is claimed by hand"]
  },
  {
    fault: "takes no heartbeats",
    change: () => ({ heartbeat: () => Effect.succeed([]) }),
    found: ["recovery: is not ended by a claim of a run whose driver is there"]
  },
  {
    fault: "lets any driver write",
    change: (store) => ({
      commit: (batch) =>
        Effect.forEach(batch.runs, (changes) =>
          Effect.map(store.run(changes.runId), (run) => ({
            ...changes,
            epoch: Option.match(run, { onNone: () => changes.epoch, onSome: ({ epoch }) => epoch })
          }))
        ).pipe(Effect.flatMap((runs) => store.commit({ ...batch, runs })))
    }),
    found: ["recovery: is ended by the progress", "states: is written whatever becomes of the runs"]
  },
  {
    fault: "writes no states",
    change: (store) => ({ commit: (batch) => store.commit({ ...batch, states: [] }) }),
    found: [
      "states: writes",
      "states: the later one of two values",
      "states: is written",
      "states: has nothing to do with a run",
      "storage: counts what is stored"
    ]
  },
  {
    fault: "clears no fields",
    change: (store) => ({
      commit: (batch) =>
        store.commit({ ...batch, states: batch.states.map((state) => ({ ...state, clear: new Set<string>() })) })
    }),
    found: [
      "states: clears fields",
      "states: of which all fields are cleared",
      "states: keeps keys and fields",
      "states: takes many and large ones",
      "states: is what its changes make of it"
    ]
  },
  {
    fault: "has a state of every key",
    change: () => ({ state: () => Effect.succeed(new Map([["f", "1"]])) }),
    found: ["states: has no fields of a key"]
  },
  {
    fault: "buries nothing",
    change: () => ({ bury: () => Effect.void }),
    found: ["dead letters: are kept", "dead letters: are read", "dead letters: of"]
  },
  {
    fault: "has a dead letter that nobody buried",
    change: () => ({ deadLetters: () => Effect.succeed([letter]) }),
    found: ["dead letters: are none at first"]
  },
  {
    fault: "counts a byte too many",
    change: (store) => ({
      storage: Effect.map(store.storage, (storage) => ({ ...storage, outputBytes: storage.outputBytes + 1 }))
    }),
    found: [
      "storage: is nothing at first",
      "storage: counts large outputs once",
      "large outputs: of changes that are refused"
    ]
  },
  {
    fault: "cuts off large outputs",
    change: (store) => ({
      outputs: (id, modules) =>
        Effect.map(
          store.outputs(id, modules),
          (outputs) => new Map([...outputs].map(([module, output]) => [module, output.slice(0, 4096)]))
        )
    }),
    found: ["large outputs: are read", "large outputs: are taken over", "large outputs: are gone"]
  },
  {
    fault: "forgets what completed after it had failed",
    change: written(({ items }) => ({ items: items.filter(({ status }) => status === "failed") })),
    found: ["large outputs: take the place"]
  },
  {
    fault: "prunes nothing",
    change: () => ({ prune: () => Effect.succeed(0) }),
    found: ["prune: never deletes", "prune: deletes all", "prune: deletes many", "prune: leaves nothing"]
  },
  {
    fault: "prunes all that have ended",
    change: (store) => ({
      prune: (request) => store.prune({ ...request, keep: 0, endedBefore: Infinity, limit: Infinity })
    }),
    found: ["prune: keeps", "prune: deletes those that ended first"]
  },
  {
    fault: "counts a run too many",
    change: (store) => ({ prune: (request) => Effect.map(store.prune(request), (pruned) => pruned + 1) }),
    found: ["prune: of no runs deletes none"]
  }
]
