/** What is in memory of instances: what each is, who waits for it, and which intents are to be done. */
import * as Chunk from "effect/Chunk"
import type * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as SortedMap from "effect/SortedMap"
import * as STM from "effect/STM"
import * as TRef from "effect/TRef"
import type { Issued } from "../MachineDefinition.js"
import type { Loaded } from "./InstanceStore.js"

/**
 * What becomes of an instance, and what who asked is told. Without `next` it stays as it is. `after`: what is done once
 * this counts.
 */
export interface Decision<Snap, A, E> {
  readonly next: Snap | undefined
  readonly result: Either.Either<A, E>
  readonly after?: Effect.Effect<void> | undefined
}

/** Pure: it may be asked several times, and the last answer counts. Undefined: the instance has not begun. */
export type Decide<Snap, A, E> = (current: Snap | undefined, at: number) => Decision<Snap, A, E>

/** A change that waits, with its types erased. */
export interface Request<Snap> {
  readonly key: string
  readonly decide: Decide<Snap, unknown, unknown>
  readonly isRecovery: boolean
  readonly done: Deferred.Deferred<unknown, unknown>
}

/** `loaded`: what the instance is, as far as everybody may see it; undefined: it has to be read. */
export interface Cell<Snap> {
  readonly loaded: TRef.TRef<Loaded<Snap> | undefined>
}

interface Slot<Snap> {
  readonly cell: Cell<Snap>
  readonly queue: Chunk.Chunk<Request<Snap>>
  readonly isServed: boolean
  readonly pins: number
  /** The first of them is being done, while `isPerforming`. */
  readonly todo: Chunk.Chunk<Issued<unknown>>
  readonly isPerforming: boolean
  /** When it was used last; 0 while somebody needs it. */
  readonly idleSince: number
}

interface Slots<Snap> {
  readonly byKey: HashMap.HashMap<string, Slot<Snap>>
  /** Those that nobody needs now, the one that was used longest ago first. */
  readonly idle: SortedMap.SortedMap<number, string>
  readonly uses: number
}

/** All of them take part in a transaction. */
export interface InstanceCells<Snap> {
  /** Whether somebody serves the queue, or has to begin. */
  readonly enqueue: (key: string, request: Request<Snap>) => STM.STM<"closed" | "begins" | "queued">
  readonly withdraw: (key: string, request: Request<Snap>) => STM.STM<void>
  /** Who is served next; none, and the queue is served no more. */
  readonly nextRequest: (
    key: string
  ) => STM.STM<{ readonly cell: Cell<Snap>; readonly request: Request<Snap> } | undefined>
  /** These are to be done. Whether somebody has to begin. */
  readonly todo: (key: string, issued: ReadonlyArray<Issued<unknown>>) => STM.STM<boolean>
  readonly nextIntent: (key: string) => STM.STM<Issued<unknown> | undefined>
  readonly intentDone: (key: string, id: string) => STM.STM<void>
  /** Keeps the cell in memory. */
  readonly pin: (key: string) => STM.STM<Cell<Snap>>
  readonly unpin: (key: string) => STM.STM<void>
  readonly isClosed: STM.STM<boolean>
  /** Nobody is served any more; who waits. */
  readonly close: STM.STM<ReadonlyArray<Request<Snap>>>
  readonly keys: STM.STM<ReadonlyArray<string>>
  readonly size: STM.STM<number>
}

const isNeeded = <Snap>({ isPerforming, isServed, pins, queue, todo }: Slot<Snap>): boolean =>
  isServed || isPerforming || pins > 0 || Chunk.isNonEmpty(queue) || Chunk.isNonEmpty(todo)

/** `capacity`: how many stay that nobody needs; undefined: all do that have begun. */
export const make = <Snap>(capacity: number | undefined): Effect.Effect<InstanceCells<Snap>> =>
  STM.commit(
    STM.gen(function* () {
      const closed = yield* TRef.make(false)
      const ref = yield* TRef.make<Slots<Snap>>({
        byKey: HashMap.empty(),
        idle: SortedMap.empty(Order.number),
        uses: 0
      })

      const empty = STM.map(TRef.make<Loaded<Snap> | undefined>(undefined), (loaded): Slot<Snap> => ({
        cell: { loaded },
        ...{ queue: Chunk.empty(), isServed: false, pins: 0, todo: Chunk.empty(), isPerforming: false, idleSince: 0 }
      }))

      const find = (key: string) =>
        STM.flatMap(TRef.get(ref), ({ byKey }) =>
          Option.match(HashMap.get(byKey, key), { onNone: () => empty, onSome: STM.succeed })
        )

      /** Puts the slot in its place, and lets go of what nobody needs. */
      const put = (key: string, slot: Slot<Snap>) =>
        STM.flatMap(TRef.get(slot.cell.loaded), (loaded) =>
          TRef.update(ref, ({ byKey, idle, uses }): Slots<Snap> => {
            const others = slot.idleSince === 0 ? idle : SortedMap.remove(idle, slot.idleSince)
            const kept = { byKey: HashMap.set(byKey, key, { ...slot, idleSince: 0 }), idle: others, uses }
            if (isNeeded(slot)) return kept
            if (loaded?.snapshot === undefined) return { ...kept, byKey: HashMap.remove(byKey, key) }
            if (capacity === undefined) return kept
            const idleSince = uses + 1
            const marked = HashMap.set(byKey, key, { ...slot, idleSince })
            const all = SortedMap.set(others, idleSince, key)
            if (SortedMap.size(all) <= capacity) return { byKey: marked, idle: all, uses: idleSince }
            const [longest, evicted] = Option.getOrThrow(SortedMap.headOption(all))
            return { byKey: HashMap.remove(marked, evicted), idle: SortedMap.remove(all, longest), uses: idleSince }
          })
        )

      const modify = <A>(key: string, f: (slot: Slot<Snap>) => readonly [A, Slot<Snap>]): STM.STM<A> =>
        STM.flatMap(find(key), (slot) => {
          const [given, next] = f(slot)
          return STM.as(put(key, next), given)
        })

      return {
        enqueue: (key, request) =>
          STM.flatMap(TRef.get(closed), (isClosed) =>
            isClosed
              ? STM.succeed("closed")
              : modify(key, (slot) => [
                  slot.isServed ? "queued" : "begins",
                  { ...slot, queue: Chunk.append(slot.queue, request), isServed: true }
                ])
          ),
        withdraw: (key, request) =>
          modify(key, (slot) => [
            undefined,
            { ...slot, queue: Chunk.filter(slot.queue, (other) => other !== request) }
          ]),
        nextRequest: (key) =>
          modify(key, (slot) =>
            Option.match(Chunk.head(slot.queue), {
              onNone: () => [undefined, { ...slot, isServed: false }],
              onSome: (request) => [
                { cell: slot.cell, request },
                { ...slot, queue: Chunk.drop(slot.queue, 1) }
              ]
            })
          ),
        todo: (key, issued) =>
          modify(key, (slot) => {
            const known = new Set(Chunk.map(slot.todo, ({ id }) => id))
            const todo = Chunk.appendAll(slot.todo, Chunk.fromIterable(issued.filter(({ id }) => !known.has(id))))
            const begins = !slot.isPerforming && Chunk.isNonEmpty(todo)
            return [begins, { ...slot, todo, isPerforming: slot.isPerforming || begins }]
          }),
        nextIntent: (key) =>
          modify(key, (slot) =>
            Option.match(Chunk.head(slot.todo), {
              onNone: () => [undefined, { ...slot, isPerforming: false }],
              onSome: (issued) => [issued, slot]
            })
          ),
        intentDone: (key, id) =>
          modify(key, (slot) => [undefined, { ...slot, todo: Chunk.filter(slot.todo, (issued) => issued.id !== id) }]),
        pin: (key) => modify(key, (slot) => [slot.cell, { ...slot, pins: slot.pins + 1 }]),
        unpin: (key) => modify(key, (slot) => [undefined, { ...slot, pins: slot.pins - 1 }]),
        isClosed: TRef.get(closed),
        close: STM.zipRight(
          TRef.set(closed, true),
          TRef.modify(ref, (slots) => [
            Array.from(HashMap.values(slots.byKey)).flatMap(({ queue }) => Chunk.toReadonlyArray(queue)),
            { ...slots, byKey: HashMap.map(slots.byKey, (slot) => ({ ...slot, queue: Chunk.empty() })) }
          ])
        ),
        keys: STM.map(TRef.get(ref), ({ byKey }) => Array.from(HashMap.keys(byKey)).sort()),
        size: STM.map(TRef.get(ref), ({ byKey }) => HashMap.size(byKey))
      }
    })
  )
