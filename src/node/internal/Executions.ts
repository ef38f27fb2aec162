/** The live executions of an orchestrator, and the places that they take. */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { RunId } from "../../model/RunId.js"
import * as Telemetry from "../../model/Telemetry.js"
import type { Active } from "../Execution.js"
import { OrchestratorFull } from "../OrchestratorError.js"
import type { Text } from "./Codec.js"

/** An execution that has begun: `fiber` drives it, and cuts it off when it is interrupted. */
export interface Live<A, E> {
  readonly ended: Deferred.Deferred<A, E>
  readonly fiber: Fiber.Fiber<void>
}

/** `input`: its inputs as text. */
export interface Request {
  readonly id: RunId
  readonly input: Text
  /** Whether it waits for a place, and is never refused. */
  readonly isPatient: boolean
}

export interface Obtained<A, E> {
  readonly live: Live<A, E>
  readonly input: Text
  /** Whether this call began it. */
  readonly isMine: boolean
}

interface Entry<A, E> {
  readonly id: RunId
  readonly input: Text
  readonly status: Active["status"]
  readonly since: number
  /** None: who entered it did not begin it. */
  readonly live: Deferred.Deferred<Option.Option<Live<A, E>>>
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Who waits for a place; done when it is there. */
type Waiter = Deferred.Deferred<void>

interface State<A, E> {
  readonly entries: HashMap.HashMap<RunId, Entry<A, E>>
  readonly taken: number
  /** First come, first served. */
  readonly queue: Chunk.Chunk<Waiter>
}

type Way<A, E> =
  | { readonly _tag: "There"; readonly entry: Entry<A, E> }
  | { readonly _tag: "Full"; readonly waiting: number }
  | { readonly _tag: "Queued" }
  | { readonly _tag: "Taken" }

/**
 * Each id is entered once: of simultaneous calls for one id one begins it, the others get what it began. An execution
 * holds a place from before it begins until it has ended, and hands it on to who has waited longest.
 */
export interface Executions<A, E> {
  /**
   * The live execution of the id, or what `begin` begins once there is a place: an effect that waits for its end, and cuts
   * it off when it is interrupted. That runs where it cannot be interrupted, but where it says so itself: an interruption
   * before it began would leave the execution without a place. `obtain` is to be called in the same way, and can be
   * interrupted where `restore` says so, while it waits.
   */
  readonly obtain: <E2>(
    request: Request,
    begin: Effect.Effect<Effect.Effect<A, E>, E2>,
    restore: Restore
  ) => Effect.Effect<Obtained<A, E>, E2 | OrchestratorFull>
  readonly find: (id: RunId) => Effect.Effect<Option.Option<Live<A, E>>>
  readonly active: Effect.Effect<ReadonlyArray<Active>>
  readonly changes: Stream.Stream<ReadonlyArray<Active>>
}

export const make = <A, E>(options: {
  readonly node: string
  readonly concurrency: number
  readonly maxWaiting: number
  /** What is live when it closes is cut off. */
  readonly scope: Scope.Scope
}): Effect.Effect<Executions<A, E>> =>
  Effect.gen(function* () {
    const { concurrency, maxWaiting, node, scope } = options
    const state = yield* Ref.make<State<A, E>>({ entries: HashMap.empty(), taken: 0, queue: Chunk.empty() })
    /** That there is something new: who listens reads the state, so that only the last one counts. */
    const news = yield* PubSub.sliding<void>(1)

    const modify = <B>(f: (state: State<A, E>) => readonly [B, State<A, E>]): Effect.Effect<B> =>
      Effect.gen(function* () {
        const [result, before, after] = yield* Ref.modify(state, (before) => {
          const [result, after] = f(before)
          return [[result, before, after] as const, after]
        })
        Telemetry.orchestrationsActive.unsafeModify(after.taken - before.taken, [])
        Telemetry.orchestrationsWaiting.unsafeModify(after.queue.length - before.queue.length, [])
        yield* PubSub.publish(news, undefined)
        return result
      })

    /** Gives the place to the next, or back. */
    const handOn = ({ entries, queue, taken }: State<A, E>): readonly [Option.Option<Waiter>, State<A, E>] => {
      const next = Chunk.head(queue)
      return Option.isNone(next)
        ? [next, { entries, queue, taken: taken - 1 }]
        : [next, { entries, queue: Chunk.drop(queue, 1), taken }]
    }

    const without = (entries: State<A, E>["entries"], { id, live }: Entry<A, E>) =>
      Option.exists(HashMap.get(entries, id), (entry) => entry.live === live) ? HashMap.remove(entries, id) : entries

    const wake = (next: Option.Option<Waiter>) =>
      Option.isNone(next) ? Effect.void : Effect.asVoid(Deferred.succeed(next.value, undefined))

    /** It is over: its place goes to the next. */
    const leave = (mine: Entry<A, E>) =>
      Effect.flatMap(
        modify((state) => handOn({ ...state, entries: without(state.entries, mine) })),
        wake
      )

    /** It is not waited for a place any more, which may just have been handed over. */
    const withdraw = (mine: Entry<A, E>, waiter: Waiter) =>
      Effect.flatMap(
        modify((state): readonly [Option.Option<Waiter>, State<A, E>] => {
          const entries = without(state.entries, mine)
          const queue = Chunk.filter(state.queue, (other) => other !== waiter)
          return queue.length < state.queue.length
            ? [Option.none(), { ...state, entries, queue }]
            : handOn({ ...state, entries })
        }),
        wake
      )

    const enter = (mine: Entry<A, E>, waiter: Waiter, isPatient: boolean) =>
      modify((state): readonly [Way<A, E>, State<A, E>] => {
        const { entries, queue, taken } = state
        const there = HashMap.get(entries, mine.id)
        if (Option.isSome(there)) return [{ _tag: "There", entry: there.value }, state]
        if (taken < concurrency) {
          return [{ _tag: "Taken" }, { entries: HashMap.set(entries, mine.id, mine), queue, taken: taken + 1 }]
        }
        if (!isPatient && queue.length >= maxWaiting) return [{ _tag: "Full", waiting: queue.length }, state]
        const waiting = { ...mine, status: "waiting" } as const
        return [
          { _tag: "Queued" },
          { entries: HashMap.set(entries, mine.id, waiting), queue: Chunk.append(queue, waiter), taken }
        ]
      })

    /** Begins, and has a fiber drive it, which gives its place back at the end. */
    const drive = <E2>(mine: Entry<A, E>, begin: Effect.Effect<Effect.Effect<A, E>, E2>) =>
      Effect.gen(function* () {
        const work = yield* begin
        const ended = yield* Deferred.make<A, E>()
        const fiber = yield* Effect.exit(work).pipe(
          Effect.flatMap((exit) => Effect.zipRight(leave(mine), Effect.asVoid(Deferred.done(ended, exit)))),
          Effect.forkIn(scope)
        )
        return { ended, fiber }
      })

    const obtain: Executions<A, E>["obtain"] = (request, begin, restore) =>
      Effect.gen(function* () {
        const { id, input, isPatient } = request
        const live = yield* Deferred.make<Option.Option<Live<A, E>>>()
        const waiter = yield* Deferred.make<void>()
        const since = yield* Clock.currentTimeMillis
        const mine: Entry<A, E> = { id, input, status: "running", since, live }
        const way = yield* enter(mine, waiter, isPatient)
        if (way._tag === "Full") {
          return yield* new OrchestratorFull({ node, runId: id, concurrency, waiting: way.waiting })
        }
        if (way._tag === "There") {
          const other = yield* restore(Deferred.await(way.entry.live))
          // when another call fails to begin it, this one tries
          if (Option.isNone(other)) return yield* obtain(request, begin, restore)
          return { live: other.value, input: way.entry.input, isMine: false }
        }
        if (way._tag === "Queued") {
          yield* Effect.onInterrupt(restore(Deferred.await(waiter)), () =>
            Effect.zipRight(withdraw(mine, waiter), Deferred.succeed(live, Option.none()))
          )
          const began = { ...mine, since: yield* Clock.currentTimeMillis }
          yield* modify((state) => [undefined, { ...state, entries: HashMap.set(state.entries, id, began) }])
        }
        const begun = yield* Effect.exit(drive(mine, begin))
        if (Exit.isFailure(begun)) yield* leave(mine)
        yield* Deferred.succeed(live, Exit.isSuccess(begun) ? Option.some(begun.value) : Option.none())
        return { live: yield* begun, input, isMine: true }
      })

    const active = Effect.map(Ref.get(state), ({ entries }) =>
      Array.from(HashMap.values(entries), ({ id, since, status }): Active => ({ id, status, since })).sort(
        (a, b) => a.since - b.since || (a.id < b.id ? -1 : 1)
      )
    )

    return {
      obtain,
      active,
      find: (id) =>
        Effect.flatMap(Ref.get(state), ({ entries }) =>
          Option.match(HashMap.get(entries, id), {
            onNone: () => Effect.succeedNone,
            onSome: (entry) => (entry.status === "waiting" ? Effect.succeedNone : Deferred.await(entry.live))
          })
        ),
      changes: Stream.unwrapScoped(
        Effect.map(PubSub.subscribe(news), (queue) =>
          Stream.concat(Stream.void, Stream.fromQueue(queue, { maxChunkSize: 1 })).pipe(
            Stream.mapEffect(() => Ref.get(state)),
            Stream.changesWith((a, b) => a.entries === b.entries),
            Stream.mapEffect(() => active)
          )
        )
      )
    }
  })
