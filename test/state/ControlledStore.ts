/**
 * A store in memory of which a test decides how its methods behave, and sees what they were given.
 */
import { Context, Effect, Layer, Scheduler } from "effect"
import { RunId, RunStore } from "heddle"
import { StoreError } from "heddle/model/StoreError"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"

type Store = typeof RunStore.RunStore.Service
type Commit = ReturnType<Store["commit"]>
/** The changes of runs in a batch. */
export type Batch = ReadonlyArray<RunStore.RunChanges>

/** Changed by the test at any time; what is undefined behaves as the store in memory does. */
export interface Control {
  /** What `open` and `claim` do after they have taken effect. */
  after: Effect.Effect<void> | undefined
  commit: ((runs: Batch, commit: Commit, batch: RunStore.Batch) => Commit) | undefined
  heartbeat: ((beat: ReturnType<Store["heartbeat"]>) => ReturnType<Store["heartbeat"]>) | undefined
  release: Store["release"] | undefined
  get: Store["get"] | undefined
  state: ((read: ReturnType<Store["state"]>, key: string) => ReturnType<Store["state"]>) | undefined
  bury: ((bury: ReturnType<Store["bury"]>, letter: RunStore.DeadLetter) => ReturnType<Store["bury"]>) | undefined
  /** What `commit` was called with, and those of it that were written. */
  readonly tried: Array<Batch>
  readonly written: Array<Batch>
  /** The same as `written`, with keyed state. */
  readonly batches: Array<RunStore.Batch>
  /** The keys that were read, and the runs. */
  readonly reads: Array<string>
  /** The times of the calls of `heartbeat`, and for which runs. */
  readonly beats: Array<{ readonly at: number; readonly runs: ReadonlyArray<string> }>
}

export class ControlledStore extends Context.Tag("test/ControlledStore")<ControlledStore, Control>() {}

export const layer: Layer.Layer<ControlledStore | RunStore.RunStore> = Layer.map(RunStoreMemory.layer(), (context) => {
  const store = Context.get(context, RunStore.RunStore)
  const control: Control = {
    after: undefined,
    commit: undefined,
    heartbeat: undefined,
    release: undefined,
    get: undefined,
    state: undefined,
    bury: undefined,
    tried: [],
    written: [],
    batches: [],
    reads: [],
    beats: []
  }
  return Context.make(ControlledStore, control).pipe(
    Context.add(RunStore.RunStore, {
      ...store,
      open: (run) => Effect.tap(store.open(run), () => control.after),
      claim: (request) => Effect.tap(store.claim(request), () => control.after),
      commit: (batch) => {
        const write = Effect.tap(store.commit(batch), () => {
          control.batches.push(batch)
          return control.written.push(batch.runs)
        })
        // not suspended: a store may also throw when it is called
        const commit = control.commit?.(batch.runs, write, batch) ?? write
        return Effect.zipRight(
          Effect.sync(() => control.tried.push(batch.runs)),
          commit
        )
      },
      heartbeat: (runs, now) => {
        control.beats.push({ at: now, runs: runs.map(({ runId }) => runId) })
        const beat = store.heartbeat(runs, now)
        return control.heartbeat?.(beat) ?? beat
      },
      release: (run) => (control.release ?? store.release)(run),
      get: (runId) => {
        control.reads.push(runId)
        return (control.get ?? store.get)(runId)
      },
      state: (key) => {
        control.reads.push(key)
        return control.state?.(store.state(key), key) ?? store.state(key)
      },
      bury: (letter) => control.bury?.(store.bury(letter), letter) ?? store.bury(letter)
    })
  )
})

export const broken = (reason: StoreError["reason"]) =>
  new StoreError({ reason, location: "here", operation: "test", message: `it is ${reason}` })

export const newRun = (name: string) => ({
  runId: RunId.make(name),
  dag: "d",
  fingerprint: "f",
  total: 10,
  input: "{}",
  policy: JSON.stringify({ concurrency: "unbounded", onFailure: "failFast", durability: "committed" }),
  signals: '["ask","orders/:/ask"]'
})

/** Lets a fiber make one step at a time, in turn with the others, so that they come between any two of its steps. */
export const stepwise = () => {
  const scheduler = new Scheduler.MixedScheduler(2048)
  const asked = new WeakMap<object, number>()
  scheduler.shouldYield = (fiber) => {
    const times = (asked.get(fiber) ?? 0) + 1
    asked.set(fiber, times)
    // every third time: the end of the last rest is a step, too. A number would set a priority, in further steps.
    return times % 3 === 0 ? (undefined as unknown as number) : false
  }
  return scheduler
}
