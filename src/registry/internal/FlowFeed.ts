/** What tells of changes: the log of the store, looked at when this process has written to it, and from time to time. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { StoreError } from "../../model/StoreError.js"
import * as Wait from "../../model/Wait.js"
import type { FlowEntry, FlowRow, FlowStore } from "../../store/FlowStore.js"
import type { AuditEntry, FlowChange } from "../FlowRegistryService.js"
import * as FlowCodec from "./FlowCodec.js"
import * as FlowVersion from "./FlowVersion.js"

type Store = FlowStore["Type"]

/** Entries that are read together. */
const page = 256

/** More than there are. */
export const all = Number.MAX_SAFE_INTEGER

const keyOf = ({ name, version }: FlowRow): string => JSON.stringify([name, version])

/** The entries after a position, up to another one, page by page. */
const entries = (
  store: Store,
  filter: { readonly name?: string | undefined; readonly version?: string | undefined; readonly after: number },
  upTo = Infinity
): Stream.Stream<FlowEntry, StoreError> =>
  Stream.paginateChunkEffect(filter.after, (after) =>
    Effect.map(store.log({ ...filter, after, limit: page }), (read) => {
      const last = read.at(-1)?.position
      const isLast = last === undefined || read.length < page || last >= upTo
      const within = read.filter(({ position }) => position <= upTo)
      return [Chunk.unsafeFromArray(within), isLast ? Option.none() : Option.some(last)]
    })
  )

/** Every change that there is. */
export const audit = (
  store: Store,
  filter: { readonly name?: string | undefined; readonly version?: string | undefined; readonly after: number }
): Stream.Stream<AuditEntry, StoreError> => Stream.mapEffect(entries(store, filter), FlowCodec.audit)

/** The rows as they are at one position: no store gives both at once. */
const state = (store: Store) =>
  Effect.gen(function* () {
    const before = yield* store.position
    const rows = new Map((yield* store.list({ limit: all })).map((row) => [keyOf(row), row]))
    const position = yield* store.position
    // the rows have some of these, and none that is later
    yield* Stream.runForEach(entries(store, { after: before }, position), (entry) =>
      Effect.sync(() => void (entry.text === null ? rows.delete(keyOf(entry)) : rows.set(keyOf(entry), entry)))
    )
    return { rows: Array.from(rows.values()), position }
  })

const changeOf = (row: FlowRow): Either.Either<FlowChange, StoreError> =>
  Either.map(FlowCodec.decode(row, "log"), (flow) => {
    const { name, revision, version } = row
    return Object.freeze(
      flow === undefined ? { _tag: "Removed" as const, name, version, revision } : { _tag: "Present" as const, flow }
    )
  })

/** `poll`: milliseconds. */
export const make = (store: Store, poll: number) =>
  Effect.map(Ref.make<ReadonlySet<Effect.Latch>>(new Set()), (latches) => {
    /** Somebody in this process may have changed something. */
    const wake = Effect.flatMap(Ref.get(latches), (all) =>
      Effect.sync(() => {
        for (const latch of all) latch.unsafeOpen()
      })
    )

    const watching = Effect.acquireRelease(
      Effect.tap(Effect.makeLatch(), (latch) => Ref.update(latches, (all) => new Set(all).add(latch))),
      (latch) => Ref.update(latches, (all) => new Set([...all].filter((other) => other !== latch)))
    )

    const after = (position: number, latch: Effect.Latch): Effect.Effect<ReadonlyArray<FlowEntry>, StoreError> =>
      // closed before the log is read: what is written from then on opens it
      Effect.flatMap(Effect.zipRight(latch.close, store.log({ after: position, limit: page })), (read) =>
        read.length > 0
          ? Effect.succeed(read)
          : Effect.zipRight(
              Wait.untilOpen(latch, poll),
              Effect.suspend(() => after(position, latch))
            )
      )

    /** All flows as they are, then every change. */
    const changes: Stream.Stream<FlowChange, StoreError> = Stream.unwrapScoped(
      Effect.gen(function* () {
        const latch = yield* watching
        const { position, rows } = yield* state(store)
        const present = yield* Effect.forEach(rows, changeOf)
        const sorted = present.flatMap((change) => (change._tag === "Present" ? [change] : []))
        sorted.sort((a, b) => FlowVersion.order(a.flow, b.flow))
        const later = Stream.paginateChunkEffect(position, (position) =>
          Effect.map(after(position, latch), (read) => [
            Chunk.unsafeFromArray(read),
            Option.some(read.at(-1)?.position ?? position)
          ])
        )
        return Stream.concat(Stream.fromIterable(sorted), Stream.mapEffect(later, changeOf))
      })
    )

    return { wake, changes }
  })
