/**
 * The transitions of a run, and what its rows are of them.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import { canFollow, ModuleStatus } from "../../../model/ModuleStatus.js"
import * as RunSnapshot from "../../../model/RunSnapshot.js"
import type { Transition } from "../../../model/Transition.js"
import { type ModuleChange, RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal } from "./Expect.js"
import { type Options, property } from "./Property.js"
import {
  all,
  changesOf,
  commit,
  failure,
  moduleChange,
  moduleRow,
  modulesOf,
  moduleTransition,
  newRun,
  run,
  runId,
  runTransition,
  sorted
} from "./Rows.js"

const failed = { kind: "refused", message: "m", cause: "c", error: { deep: [null, "ü"] } } as const
const shared = { "stats/n": 0, "stats/list": [1, { a: null }], "orders/stats/n": null }
const ofModule = { _tag: "ModuleTransition", at: 1 } as const
const ofItem = { _tag: "ItemTransition", at: 1, module: "m" } as const

/** One of every kind, with and without what is optional. */
const kinds: ReadonlyArray<Transition> = [
  { ...runTransition(1, "running"), at: 0.5 },
  { ...ofModule, seq: 2, module: "m", status: "running", attempt: 1, items: 0 },
  { ...ofModule, seq: 3, module: "n", status: "suspended", attempt: 1, until: 1.5 },
  { ...ofModule, seq: 4, module: "n", status: "suspended", attempt: 2, until: Infinity },
  { ...ofModule, seq: 5, module: "n", status: "completed", attempt: 2, shared },
  { ...ofModule, seq: 6, module: "f", status: "failed", attempt: 0, failure: failed, shared: {} },
  { ...ofItem, seq: 7, index: 0, status: "completed", shared },
  { ...ofItem, seq: 8, index: 1, status: "failed", failure: failed },
  { ...ofItem, seq: 9, index: 2, status: "completed" },
  { _tag: "SharedTransition", seq: 10, at: 1, shared },
  { _tag: "SharedTransition", seq: 11, at: 1, shared: {} },
  { _tag: "RunTransition", seq: 12, at: 1, status: "suspended", epoch: 3, until: 0 },
  { _tag: "RunTransition", seq: 13, at: 1, status: "suspended", epoch: 3 }
]

/** The row of a module in this state. */
const changeOf = (module: string, { failure, items, ...fields }: RunSnapshot.ModuleState): ModuleChange =>
  moduleChange(module, {
    ...fields,
    failure: failure === undefined ? null : JSON.stringify(failure),
    items: items?.total ?? null
  })

/** What a driver does of what may follow: attempts count from 1. */
const isDriven = (next: { readonly status: ModuleStatus; readonly attempt: number }) =>
  next.status !== "pending" && (next.attempt > 0 || ["skipped", "cancelled"].includes(next.status))

/** A module and what follows in it, chosen by a number; nothing when nothing can. */
const chosen = (live: RunSnapshot.RunSnapshot, choice: number): Transition | undefined => {
  const module = `m${choice % 3}`
  const state = RunSnapshot.module(live, module)
  const following = ModuleStatus.literals
    .flatMap((status) => [state.attempt, state.attempt + 1].map((attempt) => ({ status, attempt })))
    .filter((next) => canFollow(state, next) && isDriven(next))
  const next = following[Math.floor(choice / 3) % following.length]
  return next === undefined
    ? undefined
    : moduleTransition(live.seq + 1, module, next.status, {
        attempt: next.attempt,
        ...(choice % 7 === 0 ? { failure } : undefined)
      })
}

/** One batch for each list of choices: its transitions, and the rows that they fold to. */
const follow = (live: RunSnapshot.RunSnapshot, choices: ReadonlyArray<number>) => {
  let folded = HashMap.empty<string, RunSnapshot.ModuleState>()
  const transitions: Array<Transition> = []
  for (const choice of choices) {
    const transition = chosen(live, choice)
    if (transition?._tag !== "ModuleTransition") continue
    transitions.push(transition)
    live = RunSnapshot.evolve(live, transition)
    const previous = Option.getOrElse(HashMap.get(folded, transition.module), () => ({
      status: "pending" as const,
      attempt: 0
    }))
    folded = HashMap.set(folded, transition.module, RunSnapshot.evolveModule(previous, transition))
  }
  return { live, transitions, modules: HashMap.toEntries(folded).map(([module, state]) => changeOf(module, state)) }
}

const choices = FastCheck.array(FastCheck.array(FastCheck.nat(1_000_000), { maxLength: 8 }), { maxLength: 12 })

export const checks = (options: Options): ReadonlyArray<Check.Check> =>
  Check.group("history", {
    "history is paged by number": Effect.gen(function* () {
      const store = yield* RunStore
      yield* store.open(newRun("a"))
      const transitions = Array.range(1, 25).map((i) =>
        i % 5 === 0 ? runTransition(i, "running", i) : moduleTransition(i, `m${i}`, "running")
      )
      yield* commit(changesOf("a", { transitions }))
      for (const [after, limit, expected] of [
        [0, 10, transitions.slice(0, 10)],
        [10, 10, transitions.slice(10, 20)],
        [20, 10, transitions.slice(20)],
        [24, 10, transitions.slice(24)],
        [25, 10, []],
        [0, 0, []],
        [0, -1, []]
      ] as const) {
        yield* equal(yield* store.history(runId("a"), { after, limit }), expected, `${limit} after ${after}`)
      }
    }),

    "history gives every kind of transition as it was": Effect.gen(function* () {
      const store = yield* RunStore
      yield* store.open(newRun("a"))
      yield* commit(changesOf("a", { transitions: kinds }))
      yield* equal(yield* store.history(runId("a"), all), kinds)
    }),

    "the rows are the fold of the transitions, and their numbers have no gaps": property(
      options,
      choices,
      (batches, i) =>
        Effect.gen(function* () {
          const store = yield* RunStore
          const name = `run ${i}`
          yield* store.open(newRun(name))
          const begun = RunSnapshot.make({ ...newRun(name), startedAt: 1000 })
          let live = begun
          for (const batch of batches) {
            const { live: next, modules, transitions } = follow(live, batch)
            yield* commit(changesOf(name, { transitions, modules }))
            live = next
          }
          const history = yield* store.history(runId(name), all)
          yield* equal(
            history.map(({ seq }) => seq),
            live.seq === 0 ? [] : Array.range(1, live.seq)
          )
          const folded = history.reduce(RunSnapshot.evolve, begun)
          yield* equal(
            sorted(yield* modulesOf(store, runId(name)), ({ module }) => module),
            sorted(
              HashMap.toEntries(folded.modules).map(([module, state]) => moduleRow(changeOf(module, state))),
              ({ module }) => module
            )
          )
          yield* equal((yield* run(name)).seq, live.seq)
        })
    )
  })
