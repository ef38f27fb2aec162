/**
 * Reads that go on as events are appended.
 */
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { StoreError } from "../../model/StoreError.js"
import type { EventPage, StoredEvent } from "../EventStore.js"

/** How many events a subscription reads at once. */
export const defaultPage = 100

/**
 * Wakes those who wait for events. `current` is the notice that comes next: who takes it, then looks and finds nothing,
 * and then waits for it, misses none. `give` may be called when nothing has happened.
 */
export interface Notice {
  readonly current: Effect.Effect<Deferred.Deferred<void>>
  readonly give: Effect.Effect<void>
}

const unsafeNext = () => Deferred.unsafeMake<void>(FiberId.none)

export const notice: Effect.Effect<Notice> = Effect.map(
  Effect.suspend(() => Ref.make(unsafeNext())),
  (ref): Notice => ({
    current: Ref.get(ref),
    give: Effect.suspend(() => Ref.getAndSet(ref, unsafeNext())).pipe(
      Effect.flatMap((given) => Deferred.succeed(given, void 0)),
      Effect.uninterruptible
    )
  })
)

/** A page that begins after what was read last; when there is nothing, waits for a notice, for `poll` at most. */
export const make = (options: {
  readonly readAll: (page: EventPage) => Effect.Effect<ReadonlyArray<StoredEvent>, StoreError>
  readonly notice: Notice
  readonly poll: Duration.DurationInput
  readonly page: number
}): ((after: number) => Stream.Stream<StoredEvent, StoreError>) => {
  const { notice, page, readAll } = options
  const poll = Duration.decode(options.poll)
  const wait = (next: Deferred.Deferred<void>): Effect.Effect<unknown> =>
    Duration.isFinite(poll) ? Effect.timeoutOption(Deferred.await(next), poll) : Deferred.await(next)

  const pageAfter = (after: number): Effect.Effect<ReadonlyArray<StoredEvent>, StoreError> =>
    Effect.flatMap(notice.current, (next) =>
      Effect.flatMap(readAll({ after, limit: page }), (events) =>
        events.length > 0 ? Effect.succeed(events) : Effect.zipRight(wait(next), pageAfter(after))
      )
    )

  return (after) =>
    Stream.paginateChunkEffect(after, (after) =>
      Effect.map(pageAfter(after), (events) => [
        Chunk.fromIterable(events),
        Option.some(events[events.length - 1]?.position ?? after)
      ])
    )
}
