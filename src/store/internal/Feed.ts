/**
 * What tells of changes in this process: who watches, and what each of them has not been told yet.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import type * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { Change } from "../StateStore.js"

interface Noted extends Change {
  readonly at: number
}

/** One entry a key is enough: who falls behind is told the last change of each, and holds no more than the keys. */
interface Watcher {
  readonly prefix: string
  readonly pending: HashMap.HashMap<string, Noted>
  readonly signal: Queue.Queue<void>
}

/** `last` counts watchers and changes. */
export interface Feed {
  readonly last: number
  readonly watchers: ReadonlyMap<number, Watcher>
}

export const empty: Feed = { last: 0, watchers: new Map() }

const withWatcher = (feed: Feed, id: number, watcher: Watcher | undefined): Feed => {
  const watchers = new Map(feed.watchers)
  if (watcher === undefined) watchers.delete(id)
  else watchers.set(id, watcher)
  return { last: Math.max(feed.last, id), watchers }
}

/**
 * The change of a key, for those who watch it; it wakes them. That may be done within the update of a Ref: whoever waits
 * goes on when the update is made.
 */
export const note = (feed: Feed, key: string, version: Option.Option<number>): Feed => {
  if (feed.watchers.size === 0) return feed
  const at = feed.last + 1
  const watchers = new Map(feed.watchers)
  for (const [id, { pending, prefix, signal }] of feed.watchers) {
    if (!key.startsWith(prefix)) continue
    watchers.set(id, { prefix, signal, pending: HashMap.set(pending, key, { key, version, at }) })
    signal.unsafeOffer(undefined)
  }
  return { last: at, watchers }
}

const take = (feed: Feed, id: number): readonly [Chunk.Chunk<Change>, Feed] => {
  const watcher = feed.watchers.get(id)
  if (watcher === undefined || HashMap.isEmpty(watcher.pending)) return [Chunk.empty(), feed]
  const changes = Array.from(HashMap.values(watcher.pending)).sort((a, b) => a.at - b.at)
  return [
    Chunk.unsafeFromArray(changes.map(({ key, version }) => ({ key, version }))),
    withWatcher(feed, id, { ...watcher, pending: HashMap.empty() })
  ]
}

/** The changes of keys with the prefix, from when the stream has begun on. `modify`: changes the feed, at once. */
export const changes = (
  modify: <A>(f: (feed: Feed) => readonly [A, Feed]) => Effect.Effect<A>,
  prefix: string
): Stream.Stream<Change> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const signal = yield* Queue.sliding<void>(1)
      const id = yield* Effect.acquireRelease(
        modify((feed) => {
          const id = feed.last + 1
          return [id, withWatcher(feed, id, { prefix, signal, pending: HashMap.empty() })]
        }),
        (id) => modify((feed) => [undefined, withWatcher(feed, id, undefined)])
      )
      const next: Effect.Effect<Chunk.Chunk<Change>> = Effect.flatMap(
        modify((feed) => take(feed, id)),
        (changes) => (Chunk.isEmpty(changes) ? Effect.zipRight(Queue.take(signal), next) : Effect.succeed(changes))
      )
      return Stream.repeatEffectChunk(Effect.suspend(() => next))
    })
  )
