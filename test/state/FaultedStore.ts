/** Faults of the test's store, and of which updates nobody can know whether they are written. */
import { Array, Effect, Exit, Option } from "effect"
import type { RunStore } from "heddle"
import type { StoreError } from "heddle"
import * as ControlledStore from "./ControlledStore.js"

/** What happens to a commit, or to a letter; "lost" and "after": when it has taken effect. */
export type Fault = "none" | "slow" | "busy" | "lost" | "fails" | "fails after" | "dies" | "hangs" | "hangs after"

const isBefore = (fault: Fault) => fault === "busy" || fault === "fails" || fault === "dies" || fault === "hangs"

const slow = Effect.replicateEffect(Effect.yieldNow(), 3)

const faulted = <A>(fault: Fault, effect: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> => {
  switch (fault) {
    case "none":
      return effect
    case "slow":
      return Effect.zipLeft(Effect.zipRight(slow, effect), slow)
    case "busy":
      return Effect.fail(ControlledStore.broken("busy"))
    case "lost":
      return Effect.zipRight(effect, Effect.fail(ControlledStore.broken("unavailable")))
    case "fails":
      return Effect.fail(ControlledStore.broken("failed"))
    case "fails after":
      return Effect.zipRight(effect, Effect.fail(ControlledStore.broken("failed")))
    case "dies":
      return Effect.die("broken")
    case "hangs":
      return Effect.never
    case "hangs after":
      return Effect.zipRight(effect, Effect.never)
  }
}

/** A patch has a field of its own, which nobody clears: that of its number. */
export const own = (id: number) => `p${id}`

export const idsIn = (fields: Iterable<string>) =>
  Array.filterMap(Array.fromIterable(fields), (field) =>
    /^p\d+$/.test(field) ? Option.some(Number(field.slice(1))) : Option.none()
  )

/** Transitions have their numbers as times. */
const idsOf = ({ runs, states }: RunStore.Batch) => [
  ...runs.flatMap(({ transitions }) => transitions.map(({ at }) => at)),
  ...states.flatMap(({ set }) => idsIn(set.keys()))
]

interface Kept {
  readonly transition?: { readonly at: number }
  readonly set?: { readonly [field: string]: string }
}

export const idsOfLetter = ({ updates }: RunStore.DeadLetter) =>
  (JSON.parse(updates) as ReadonlyArray<Kept>).flatMap(({ set = {}, transition }) =>
    transition === undefined ? idsIn(Object.keys(set)) : [transition.at]
  )

/** The faults of the commits to come, and of the letters, are decided one by one. */
export const make = (decide: { readonly commit: () => Fault; readonly letter: () => Fault }) =>
  Effect.gen(function* () {
    const control = yield* ControlledStore.ControlledStore
    /** Runs and keys that cannot be written. */
    const poisoned = new Set<string>()
    /** Of a commit or a letter that may have taken effect although nobody was told. */
    const uncertain = new Set<number>()
    /** In letters that could not be kept. */
    const unkept = new Set<number>()
    const underway = new Set<ReadonlyArray<number>>()
    let last: ReadonlyArray<number> = []
    let isStuck = false
    const doubt = (ids: ReadonlyArray<number>) => ids.forEach((id) => uncertain.add(id))

    const known = <A>(fault: Fault, ids: ReadonlyArray<number>, effect: Effect.Effect<A, StoreError>) =>
      isBefore(fault)
        ? faulted(fault, effect)
        : Effect.suspend(() => {
            underway.add(ids)
            return faulted(fault, effect)
          }).pipe(
            Effect.onExit((exit) =>
              Effect.sync(() => {
                underway.delete(ids)
                if (Exit.isFailure(exit)) doubt(ids)
                else last = ids
              })
            )
          )

    control.commit = (runs, commit, batch) =>
      Effect.suspend(() => {
        const units = [...runs.map(({ runId }) => runId as string), ...batch.states.map(({ key }) => key)]
        return known(units.some((unit) => poisoned.has(unit)) ? "fails" : decide.commit(), idsOf(batch), commit)
      })
    control.bury = (bury, letter) =>
      Effect.suspend(() => {
        const ids = idsOfLetter(letter)
        const fault = decide.letter()
        return Effect.onError(known(fault, ids, bury), () =>
          Effect.sync(() => {
            ids.forEach((id) => unkept.add(id))
            isStuck ||= fault === "hangs"
          })
        )
      })

    return {
      poisoned,
      uncertain: uncertain,
      unkept: unkept,
      /**
       * The writer has ended: what it did last may have taken effect although it was not told. Gives whether there were
       * letters that it did not try to keep, since another one had no answer.
       */
      ended: () => {
        underway.forEach(doubt)
        doubt(last)
        last = []
        const wasStuck = isStuck
        isStuck = false
        return wasStuck
      }
    }
  })

export type FaultedStore = Effect.Effect.Success<ReturnType<typeof make>>
