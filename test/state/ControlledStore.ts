/**
 * A store in memory of which a test decides how its methods behave, and sees what they were given.
 */
import { Context, Effect, Layer } from "effect"
import { RunStore } from "heddle"
import { StoreError } from "heddle/model/StoreError"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"

type Store = typeof RunStore.RunStore.Service
export type Batch = ReadonlyArray<RunStore.RunChanges>

/** Changed by the test at any time; `undefined` behaves as the store in memory does. */
export interface Control {
  commit: ((batch: Batch, commit: ReturnType<Store["commit"]>) => ReturnType<Store["commit"]>) | undefined
  heartbeat: Store["heartbeat"] | undefined
  release: Store["release"] | undefined
  get: Store["get"] | undefined
  /** What `commit` was called with, and those of it that were written. */
  readonly tried: Array<Batch>
  readonly written: Array<Batch>
  /** The times of the calls of `heartbeat`, and for which runs. */
  readonly beats: Array<{ readonly at: number; readonly runs: ReadonlyArray<string> }>
}

export class ControlledStore extends Context.Tag("test/ControlledStore")<ControlledStore, Control>() {}

export const layer: Layer.Layer<ControlledStore | RunStore.RunStore> = Layer.map(RunStoreMemory.layer(), (context) => {
  const store = Context.get(context, RunStore.RunStore)
  const control: Control = {
    commit: undefined,
    heartbeat: undefined,
    release: undefined,
    get: undefined,
    tried: [],
    written: [],
    beats: []
  }
  return Context.make(ControlledStore, control).pipe(
    Context.add(RunStore.RunStore, {
      ...store,
      // not suspended: a store may also throw when it is called
      commit: (batch) => {
        control.tried.push(batch)
        const write = Effect.tap(store.commit(batch), () => control.written.push(batch))
        return control.commit === undefined ? write : control.commit(batch, write)
      },
      heartbeat: (runs, now) => {
        control.beats.push({ at: now, runs: runs.map(({ runId }) => runId) })
        return (control.heartbeat ?? store.heartbeat)(runs, now)
      },
      release: (run) => (control.release ?? store.release)(run),
      get: (runId) => (control.get ?? store.get)(runId)
    })
  )
})

export const broken = (reason: StoreError["reason"]) =>
  new StoreError({ reason, location: "here", operation: "test", message: `it is ${reason}` })
