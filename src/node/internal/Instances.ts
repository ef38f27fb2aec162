/**
 * The instances of a machine: what each of them is now, one change after the other for each, and what a change leads to.
 * Without a store a change is one transaction, in the fiber of who asked. With one, changes of an instance wait in a
 * queue for a fiber that decides, writes, and makes visible what was written.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as STM from "effect/STM"
import * as Stream from "effect/Stream"
import * as TRef from "effect/TRef"
import { NodeStateUnavailable } from "../../model/NodeError.js"
import * as Telemetry from "../../model/Telemetry.js"
import type { Issued, Snapshot } from "../MachineDefinition.js"
import * as InstanceCells from "./InstanceCells.js"
import { type InstanceStore, type Loaded, nothing } from "./InstanceStore.js"
import type { InstanceTimers } from "./InstanceTimers.js"

type Cell<Snap> = InstanceCells.Cell<Snap>
type Decide<Snap, A, E> = InstanceCells.Decide<Snap, A, E>

export interface Instances<Snap> {
  /**
   * Who asked is told once the change is stored. `isRecovery`: all pending intents are done, not only those that the
   * change emitted.
   *
   * **Interruption**: a change that was begun takes place; one that still waits does not.
   */
  readonly change: <A, E>(
    key: string,
    decide: Decide<Snap, A, E>,
    isRecovery?: boolean
  ) => Effect.Effect<A, E | NodeStateUnavailable>
  /** What the instance is, and then is, each time that its `seq` has changed. */
  readonly changes: (key: string) => Stream.Stream<Snap | undefined, NodeStateUnavailable>
  /** Those of all instances that the store has or, without one, that are in memory. */
  readonly keys: Effect.Effect<ReadonlyArray<string>, NodeStateUnavailable>
  /** How many of them are in memory. */
  readonly size: Effect.Effect<number>
}

type AnySnapshot = Snapshot<string, unknown, unknown>

export const make = <Snap extends AnySnapshot>(options: {
  readonly node: string
  readonly store: InstanceStore<Snap> | undefined
  /** How many that nobody uses stay in memory, where there is a store. */
  readonly capacity: number
  readonly timers: InstanceTimers
  /** Does one intent, whatever comes of it. */
  readonly perform: (key: string, issued: Issued<unknown>) => Effect.Effect<void>
}): Effect.Effect<Instances<Snap>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { node, store, timers } = options
    const cells = yield* InstanceCells.make<Snap>(store === undefined ? undefined : options.capacity)
    const writer = (yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)).toString(36)
    const numbers = yield* STM.commit(TRef.make(0))
    const fibers = yield* Scope.make()

    const closed = (key: string) =>
      new NodeStateUnavailable({ node, key, faults: "the node is closed: its Layer's scope has ended" })

    yield* Effect.addFinalizer((exit) =>
      Effect.gen(function* () {
        const waiting = yield* STM.commit(cells.close)
        for (const { done, key } of waiting) yield* Deferred.fail(done, closed(key))
        yield* Scope.close(fibers, exit)
      })
    )

    const fork = (effect: Effect.Effect<void>) => Effect.asVoid(Effect.forkIn(Effect.interruptible(effect), fibers))

    /** Makes visible what is there, in one transaction with what follows from it, and gives the intents to do. */
    const settle = (key: string, cell: Cell<Snap>, loaded: Loaded<Snap>, fresh: ReadonlyArray<Issued<unknown>>) =>
      STM.gen(function* () {
        yield* TRef.set(cell.loaded, loaded)
        yield* timers.set(key, loaded.snapshot?.due ?? null)
        return yield* cells.todo(key, fresh)
      })

    const perform = (key: string): Effect.Effect<void> =>
      Effect.flatMap(STM.commit(cells.nextIntent(key)), (issued) =>
        issued === undefined
          ? Effect.void
          : Effect.zipRight(
              Effect.ensuring(options.perform(key, issued), STM.commit(cells.intentDone(key, issued.id))),
              perform(key)
            )
      )

    const performing = (key: string, begins: boolean) => (begins ? fork(perform(key)) : Effect.void)

    const emitted = (before: Snap | undefined, after: Snap): ReadonlyArray<Issued<unknown>> => {
      const known = new Set(before?.pending.map(({ id }) => id))
      return after.pending.filter(({ id }) => !known.has(id))
    }

    const inMemory = <A, E>(key: string, decide: Decide<Snap, A, E>, isRecovery: boolean) =>
      Effect.clockWith((clock) =>
        Effect.uninterruptible(
          Effect.gen(function* () {
            const { after, begins, result } = yield* STM.commit(
              STM.gen(function* () {
                if (yield* cells.isClosed) {
                  return { begins: false, result: Either.left(closed(key)), after: undefined }
                }
                const cell = yield* cells.pin(key)
                const { snapshot } = (yield* TRef.get(cell.loaded)) ?? nothing
                const { after, next, result } = decide(snapshot, clock.unsafeCurrentTimeMillis())
                const now = next ?? snapshot
                const fresh = now === undefined ? [] : isRecovery ? now.pending : emitted(snapshot, now)
                const begins = yield* settle(key, cell, { ...nothing, snapshot: now }, fresh)
                yield* cells.unpin(key)
                return { begins, result, after }
              })
            )
            yield* performing(key, begins)
            if (after !== undefined) yield* after
            return yield* result
          })
        )
      )

    /** Decides again until what it has decided on is what is there. */
    const apply = <A, E>(
      store: InstanceStore<Snap>,
      key: string,
      cell: Cell<Snap>,
      decide: Decide<Snap, A, E>,
      isRecovery: boolean
    ): Effect.Effect<Either.Either<A, E>, NodeStateUnavailable> =>
      Effect.gen(function* () {
        const cached = yield* STM.commit(TRef.get(cell.loaded))
        let loaded = cached ?? (yield* store.read(key))
        let isFresh = cached === undefined
        // the intents of an instance that is opened may be those of a process that is gone
        const isAll = isRecovery || cached === undefined
        for (;;) {
          const { after = Effect.void, next, result } = decide(loaded.snapshot, yield* Clock.currentTimeMillis)
          if (next === undefined) {
            if (!isFresh) {
              const { version } = loaded
              loaded = yield* store.read(key)
              isFresh = true
              if (loaded.version !== version) continue
            }
            const begins = yield* STM.commit(settle(key, cell, loaded, isAll ? (loaded.snapshot?.pending ?? []) : []))
            yield* performing(key, begins)
            yield* after
            return result
          }
          const before = loaded
          const id = `${writer}-${yield* STM.commit(TRef.updateAndGet(numbers, (n) => n + 1))}`
          const outcome = yield* store.write(key, id, before, next).pipe(
            // what nobody knows is read again
            Effect.tapError(({ isKnown }) => (isKnown ? Effect.void : STM.commit(TRef.set(cell.loaded, undefined)))),
            Effect.mapError(({ error }) => error)
          )
          loaded = outcome.loaded
          isFresh = true
          if (outcome._tag === "Conflict") {
            Telemetry.reducerConflicts.unsafeUpdate(1, [])
            continue
          }
          const fresh = isAll ? next.pending : emitted(before.snapshot, next)
          const begins = yield* STM.commit(settle(key, cell, loaded, fresh))
          yield* performing(key, begins)
          yield* after
          return result
        }
      })

    /** Serves those who wait for an instance, one after the other, until nobody does. */
    const serve = (store: InstanceStore<Snap>, key: string): Effect.Effect<void> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          for (;;) {
            const taken = yield* STM.commit(cells.nextRequest(key))
            if (taken === undefined) return
            const { cell, request } = taken
            const { decide, done, isRecovery } = request
            const exit = yield* Effect.exit(Effect.flatten(restore(apply(store, key, cell, decide, isRecovery))))
            // nobody interrupts it but the scope that closes
            yield* Exit.isInterrupted(exit) ? Deferred.fail(done, closed(key)) : Deferred.done(done, exit)
          }
        })
      )

    const stored = <A, E>(store: InstanceStore<Snap>, key: string, decide: Decide<Snap, A, E>, isRecovery: boolean) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const done = Deferred.unsafeMake<A, E | NodeStateUnavailable>(FiberId.none)
          // erasure: who asked is given what its own `decide` gave
          const request = { key, decide, isRecovery, done } as unknown as InstanceCells.Request<Snap>
          const queued = yield* STM.commit(cells.enqueue(key, request))
          if (queued === "closed") return yield* closed(key)
          if (queued === "begins") yield* fork(serve(store, key))
          return yield* Effect.onInterrupt(restore(Deferred.await(done)), () =>
            STM.commit(cells.withdraw(key, request))
          )
        })
      )

    const change: Instances<Snap>["change"] = (key, decide, isRecovery = false) =>
      store === undefined ? inMemory(key, decide, isRecovery) : stored(store, key, decide, isRecovery)

    return {
      change,
      changes: (key) =>
        Stream.unwrapScoped(
          Effect.gen(function* () {
            const cell = yield* Effect.acquireRelease(STM.commit(cells.pin(key)), () => STM.commit(cells.unpin(key)))
            yield* change(key, () => ({ next: undefined, result: Either.void }))
            const next = (seen: number) =>
              STM.gen(function* () {
                if (yield* cells.isClosed) return Option.none()
                const loaded = yield* TRef.get(cell.loaded)
                const snapshot = loaded?.snapshot
                const seq = snapshot?.seq ?? 0
                if ((loaded === undefined && store !== undefined) || seq === seen) return yield* STM.retry
                return Option.some([snapshot, seq] as const)
              })
            return Stream.unfoldEffect(-1, (seen) => STM.commit(next(seen)))
          })
        ),
      keys: store === undefined ? STM.commit(cells.keys) : store.keys,
      size: STM.commit(cells.size)
    }
  })
