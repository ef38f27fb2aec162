/**
 * The entries of a folder: which there are is known in memory, their values are read from their files. One operation at a
 * time.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import type { StoreError } from "../../model/StoreError.js"
import type { Change, Entry, KeyedEntry, Page } from "../StateStore.js"
import * as Feed from "./Feed.js"
import * as FileEntry from "./FileEntry.js"
import * as FileErrors from "./FileErrors.js"
import * as FileFolder from "./FileFolder.js"
import * as MemoryEntries from "./MemoryEntries.js"

/**
 * - `entries`: the value of each is the name of its file
 * - `suspects`: files of which nobody knows what they hold: they could not be read, or not be written
 * - `reserved`: up to this version none has to be reserved
 */
interface State {
  readonly entries: MemoryEntries.Entries
  readonly suspects: ReadonlySet<string>
  readonly reserved: number
  readonly feed: Feed.Feed
}

// Each time that the folder is opened up to so many versions are left out.
const reservedAtOnce = 1000

const without = (names: ReadonlySet<string>, name: string): ReadonlySet<string> => {
  if (!names.has(name)) return names
  const others = new Set(names)
  others.delete(name)
  return others
}

const found = (state: State, head: FileEntry.Head): State => {
  const value = FileEntry.nameOf(head.key)
  return {
    ...state,
    entries: MemoryEntries.put(state.entries, { ...head, value }),
    suspects: without(state.suspects, value)
  }
}

export const open = (directory: string) =>
  Effect.gen(function* () {
    const closed = yield* Deferred.make<never, StoreError>()
    const folder = yield* FileFolder.open(directory)
    const { location } = folder
    const last = { ...MemoryEntries.empty, last: folder.versions }
    const ref = yield* Ref.make<State>({
      entries: last,
      suspects: new Set(folder.names),
      reserved: folder.versions,
      feed: Feed.empty
    })
    const semaphore = yield* Effect.makeSemaphore(1)

    const corrupt = (operation: string, name: string) =>
      FileErrors.make(
        "corrupt",
        location,
        operation,
        `${Path.join(location, name)}: it is damaged: restore it from a backup, or set or delete its key`
      )

    /** Looks again at a file of which nobody knows what it holds. */
    const look = (operation: string, name: string): Effect.Effect<void, StoreError> =>
      Effect.gen(function* () {
        if (!(yield* Ref.get(ref)).suspects.has(name)) return
        const data = yield* folder.read(operation, name, FileEntry.headBytes)
        const head = data === undefined ? undefined : FileEntry.head(name, data)
        if (head !== undefined) return yield* Ref.update(ref, (state) => found(state, head))
        if (data !== undefined) return yield* corrupt(operation, name)
        yield* Ref.update(ref, (state) => ({ ...state, suspects: without(state.suspects, name) }))
      })

    yield* Effect.forEach(folder.names, (name) => Effect.ignore(look("layer", name)), {
      concurrency: 16,
      discard: true
    })
    yield* Effect.addFinalizer(() =>
      semaphore.withPermits(1)(
        Deferred.fail(
          closed,
          FileErrors.make("closed", location, "changes", `${location}: the store's scope has ended`)
        )
      )
    )

    /** Not interruptible once it has begun. */
    const using = <A>(
      operation: string,
      body: (now: number) => Effect.Effect<A, StoreError>
    ): Effect.Effect<A, StoreError> =>
      Effect.flatMap(Deferred.isDone(closed), (isClosed) =>
        isClosed
          ? Effect.fail(FileErrors.make("closed", location, operation, `${location}: the store's scope has ended`))
          : Effect.flatMap(Clock.currentTimeMillis, body)
      ).pipe(Effect.uninterruptible, semaphore.withPermits(1))

    /** What is in the file of an entry that is there. */
    const read = (
      operation: string,
      { key, value: name, version }: KeyedEntry
    ): Effect.Effect<KeyedEntry, StoreError> =>
      Effect.flatMap(folder.read(operation, name), (data) => {
        const entry = data === undefined ? undefined : FileEntry.read(name, data)
        return entry?.key === key && entry.version === version
          ? Effect.succeed({ key, value: entry.value, version })
          : corrupt(operation, name)
      })

    const get = (operation: string, key: string, now: number): Effect.Effect<Option.Option<Entry>, StoreError> =>
      Effect.gen(function* () {
        yield* look(operation, FileEntry.nameOf(key))
        const entry = MemoryEntries.get((yield* Ref.get(ref)).entries, key, now)
        if (Option.isNone(entry)) return Option.none()
        const { value, version } = yield* read(operation, { key, ...entry.value })
        return Option.some({ value, version })
      })

    /** A file that was not written, or not removed, as it should holds one or the other: it is looked at again. */
    const suspect = (key: string, name: string) =>
      Ref.update(ref, (state) => ({
        ...state,
        entries: MemoryEntries.remove(state.entries, key),
        suspects: new Set(state.suspects).add(name)
      }))

    const put = (operation: string, key: string, value: string, ttl: number, now: number) =>
      Effect.gen(function* () {
        const state = yield* Ref.get(ref)
        const version = state.entries.last + 1
        if (version > state.reserved) {
          const reserved = version - 1 + reservedAtOnce
          yield* folder.reserve(operation, reserved)
          yield* Ref.update(ref, (state) => ({ ...state, reserved }))
        }
        // it is given away, also when it can't be written
        yield* Ref.update(ref, (state) => ({ ...state, entries: { ...state.entries, last: version } }))
        const head = { key, version, expiresAt: now + ttl }
        const name = FileEntry.nameOf(key)
        yield* folder
          .write(operation, name, FileEntry.write(head, value))
          .pipe(Effect.tapError(() => suspect(key, name)))
        const gone = yield* Ref.modify(ref, (state) => {
          const after = found(state, head)
          const gone = MemoryEntries.expired(after.entries, now)
          const entries = gone.reduce((entries, { key }) => MemoryEntries.remove(entries, key), after.entries)
          return [gone, { ...after, entries, feed: Feed.note(after.feed, key, Option.some(version)) }]
        })
        yield* Effect.forEach(gone, ({ value: name }) => folder.discard(name), { discard: true })
        return version
      })

    return {
      location,

      get: (key: string) => using("get", (now) => get("get", key, now)),

      set: (key: string, value: string, ttl: number) => using("set", (now) => put("set", key, value, ttl, now)),

      delete: (key: string) =>
        using("delete", (now) =>
          Effect.gen(function* () {
            const name = FileEntry.nameOf(key)
            const isDamaged = yield* look("delete", name).pipe(
              Effect.as(false),
              Effect.catchIf(
                ({ reason }) => reason === "corrupt",
                () => Effect.succeed(true)
              )
            )
            const { entries } = yield* Ref.get(ref)
            const was = isDamaged || Option.isSome(MemoryEntries.get(entries, key, now))
            if (!was) return false
            yield* folder.remove("delete", name).pipe(Effect.tapError(() => suspect(key, name)))
            yield* Ref.update(ref, (state) => ({
              ...state,
              entries: MemoryEntries.remove(state.entries, key),
              suspects: without(state.suspects, name),
              feed: Feed.note(state.feed, key, Option.none())
            }))
            return true
          })
        ),

      compareAndSet: (key: string, expected: number, value: string, ttl: number) =>
        using("compareAndSet", (now) =>
          Effect.gen(function* () {
            yield* look("compareAndSet", FileEntry.nameOf(key))
            const entry = MemoryEntries.get((yield* Ref.get(ref)).entries, key, now)
            const version = Option.isNone(entry) ? 0 : entry.value.version
            if (version !== expected) return Option.none<number>()
            return Option.some(yield* put("compareAndSet", key, value, ttl, now))
          })
        ),

      getMany: (keys: ReadonlyArray<string>) =>
        using("getMany", (now) =>
          Effect.gen(function* () {
            const entries = new Map<string, Entry>()
            for (const key of keys) {
              const entry = yield* get("getMany", key, now)
              if (Option.isSome(entry)) entries.set(key, entry.value)
            }
            return entries
          })
        ),

      list: (page: Page) =>
        using("list", (now) =>
          Effect.gen(function* () {
            // the name of a damaged file does not say whether its key has the prefix
            for (const name of (yield* Ref.get(ref)).suspects) yield* look("list", name)
            const listed = MemoryEntries.list((yield* Ref.get(ref)).entries, page, now)
            return yield* Effect.forEach(listed, (entry) => read("list", entry), { concurrency: 8 })
          })
        ),

      changes: (prefix: string): Stream.Stream<Change, StoreError> =>
        Stream.interruptWhenDeferred(
          Feed.changes(
            (f) =>
              Ref.modify(ref, (state) => {
                const [answer, feed] = f(state.feed)
                return [answer, { ...state, feed }]
              }),
            prefix
          ),
          closed
        )
    }
  })

export type FileEntries = Effect.Effect.Success<ReturnType<typeof open>>
