/**
 * What a run was at an earlier point of its history.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { UnknownRun } from "../../model/RunError.js"
import type { RunId } from "../../model/RunId.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { StoreError } from "../../model/StoreError.js"
import type { Transition } from "../../model/Transition.js"
import { isKnown, UnknownSequence } from "../../model/UnknownSequence.js"
import type { RunRow, RunStore } from "../../store/RunStore.js"
import * as Pace from "./Pace.js"
import * as StoredRun from "./StoredRun.js"

type Store = typeof RunStore.Service

/** A point of a run's history: after the transition with a number, or at a time. */
export type Point = { readonly seq: number } | { readonly at: number }

/** A step of a replay. */
export interface Step {
  readonly transition: Option.Option<Transition>
  readonly snapshot: RunSnapshot.RunSnapshot
}

const pageSize = 1000

/** Pages of a run's transitions above a number, up to the end that it has when it is reached. */
const pages = (store: Store, runId: RunId, after: number, to = Infinity) =>
  Stream.paginateChunkEffect(after, (after) => {
    const limit = Math.min(pageSize, to - after)
    return Effect.map(limit <= 0 ? Effect.succeed([]) : store.history(runId, { after, limit }), (page) => {
      const last = page.at(-1)
      const isLast = last === undefined || page.length < limit || last.seq >= to
      return [Chunk.unsafeFromArray(page), isLast ? Option.none() : Option.some(last.seq)] as const
    })
  })

export const transitions = (store: Store, runId: RunId, after: number): Stream.Stream<Transition, StoreError> =>
  pages(store, runId, after)

/** As a run was when it was created. */
const begun = ({ createdAt, dag, fingerprint, runId, total, version }: RunRow) =>
  RunSnapshot.make({ runId, dag, fingerprint, version, total, startedAt: createdAt })

/** The latest state that is kept within the bound, else the first one. */
const nearest = (store: Store, run: RunRow, bound: { readonly seq?: number; readonly at?: number }) =>
  Effect.flatMap(
    store.snapshot(run.runId, bound),
    Option.match({
      onNone: () => Effect.succeed(begun(run)),
      onSome: ({ stored }) => Effect.map(StoredRun.decode(stored), ({ snapshot }) => snapshot)
    })
  )

const unknownSequence = ({ runId, seq }: RunRow, sequence: number) =>
  new UnknownSequence({ of: "run", id: runId, sequence, last: seq })

/** The state of a run that there is, at a number that it has. */
const atSeq = (store: Store, run: RunRow, seq: number) =>
  Effect.gen(function* () {
    if (!isKnown(seq, run.seq)) return yield* unknownSequence(run, seq)
    const from = yield* nearest(store, run, { seq })
    return yield* Stream.runFold(pages(store, run.runId, from.seq, seq), from, RunSnapshot.evolve)
  })

const atTime = (store: Store, run: RunRow, at: number) =>
  Effect.gen(function* () {
    const from = yield* nearest(store, run, { at })
    return yield* pages(store, run.runId, from.seq).pipe(
      Stream.takeWhile((transition) => transition.at <= at),
      Stream.runFold(from, RunSnapshot.evolve)
    )
  })

export const stateAt = (
  store: Store,
  runId: RunId,
  point: Point
): Effect.Effect<Option.Option<RunSnapshot.RunSnapshot>, StoreError | UnknownSequence> =>
  Effect.flatMap(store.run(runId), (found) => {
    if (Option.isNone(found)) return Effect.succeedNone
    const run = found.value
    if ("seq" in point) {
      // unless it was deleted meanwhile
      return Effect.map(
        atSeq(store, run, point.seq),
        Option.liftPredicate(({ seq }) => seq === point.seq)
      )
    }
    // also where the time is no number
    return point.at >= run.createdAt ? Effect.asSome(atTime(store, run, point.at)) : Effect.succeedNone
  })

export const replay = (
  store: Store,
  runId: RunId,
  options: Pace.Rate & { readonly from?: number | undefined; readonly to?: number | undefined }
): Stream.Stream<Step, StoreError | UnknownRun | UnknownSequence> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const found = yield* store.run(runId)
      if (Option.isNone(found)) return yield* new UnknownRun({ runId })
      const run = found.value
      const { from = 0, to = run.seq } = options
      if (!isKnown(to, run.seq)) return yield* unknownSequence(run, to)
      const first = yield* atSeq(store, run, from)
      const begin: Step = { transition: Option.none(), snapshot: first }
      return pages(store, runId, from, to).pipe(
        Stream.mapAccum(first, (before, transition) => {
          const snapshot = RunSnapshot.evolve(before, transition)
          return [snapshot, { transition: Option.some(transition), snapshot }]
        }),
        (steps) => Stream.concat(Stream.succeed(begin), steps)
      )
    })
  ).pipe((steps) => Pace.paced(steps, options, ({ transition }) => Option.map(transition, ({ at }) => at)))
