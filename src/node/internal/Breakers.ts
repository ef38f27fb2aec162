/**
 * The breakers of all keys. Without a store every event is one step of one Ref. With a store the events of a key that
 * others have to know of wait for a fiber, one for each key while there are any, which writes them together: by
 * compare-and-set, so that of all processes each builds on what the one before has written.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Mailbox from "effect/Mailbox"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as NodeError from "../../model/NodeError.js"
import * as Telemetry from "../../model/Telemetry.js"
import * as Breaker from "./Breaker.js"
import { BreakerKeys, type Entry, type Unwritten } from "./BreakerKeys.js"
import type { BreakerStore, Seen } from "./BreakerStore.js"
import * as Window from "./Window.js"

/** A change of status of the breaker of a key; `elsewhere`: it was read from the store. */
export interface Change {
  readonly key: string
  readonly at: number
  readonly from: Breaker.State["_tag"]
  readonly to: Breaker.State
  readonly elsewhere: boolean
}

export interface Options {
  readonly policy: Breaker.Policy
  readonly capacity: number
  /** How old what was read may be, and how long the store is left alone after it has failed, in milliseconds. */
  readonly refresh: number
  readonly backOff: number
  readonly store: BreakerStore | undefined
  /** Part of the names of this process's probes: no other has it. */
  readonly owner: string
}

type EventOf = (at: number, probe: string) => Breaker.Event

export interface Breakers {
  /**
   * What becomes of an event. In an uninterruptible region: `restore` is for waiting until the store has it; when that is
   * interrupted a call that was admitted has ended, as neither success nor failure.
   */
  readonly say: (
    key: string,
    event: EventOf,
    restore: (told: Effect.Effect<Breaker.Verdict>) => Effect.Effect<Breaker.Verdict>
  ) => Effect.Effect<Breaker.Verdict>
  /** What this process knows. */
  readonly peek: (key: string) => Effect.Effect<Breaker.State>
  readonly size: Effect.Effect<number>
  /** The changes from now on, in their order; the latest ones where `capacity` were not taken. */
  readonly changes: (capacity: number) => Effect.Effect<Mailbox.ReadonlyMailbox<Change>, never, Scope.Scope>
}

// Changed in place, inside a Ref that never leaves this file.
interface Held {
  readonly keys: BreakerKeys
  readonly listeners: Set<Mailbox.Mailbox<Change>>
  probes: number
}

type Said =
  | { readonly _tag: "Said"; readonly verdict: Breaker.Verdict }
  | { readonly _tag: "Waits"; readonly told: Deferred.Deferred<Breaker.Verdict>; readonly begins: boolean }

/** What the fiber of a key does next. */
type Work =
  | { readonly _tag: "Done" | "Again" }
  | { readonly _tag: "Look"; readonly at: number }
  | { readonly _tag: "Write"; readonly version: number; readonly state: Breaker.State; readonly at: number }

/** So often in a row somebody else may be faster before a breaker goes on alone. */
const maxConflicts = 16

export const make = (options: Options): Effect.Effect<Breakers> =>
  Effect.map(
    Ref.make<Held>({
      keys: new BreakerKeys(options.capacity, options.policy.resetAfter),
      listeners: new Set(),
      probes: 0
    }),
    (ref): Breakers => {
      const { backOff, owner, policy, refresh, store } = options
      const transition = (state: Breaker.State, event: Breaker.Event) => Breaker.transition(policy, state, event)

      /** One step: the time is that of the change itself. */
      const access = <A>(f: (held: Held, now: number) => A): Effect.Effect<A> =>
        Effect.clockWith((clock) =>
          Ref.modify(ref, (held) => [f(held, clock.unsafeCurrentTimeMillis()), held] as const)
        )
      const use = <A>(key: string, f: (entry: Entry, held: Held, now: number) => A): Effect.Effect<A> =>
        access((held, now) => held.keys.use(key, now, (entry) => f(entry, held, now)))

      const become = (held: Held, key: string, entry: Entry, to: Breaker.State, at: number, elsewhere: boolean) => {
        const from = entry.base._tag
        entry.base = to
        if (from === to._tag) return
        if (!elsewhere) Telemetry.breakerTransitions[to._tag].unsafeUpdate(1, [])
        for (const listener of held.listeners) listener.unsafeOffer({ key, at, from, to, elsewhere })
      }

      /** Makes an event part of `base`. */
      const apply = (held: Held, key: string, entry: Entry, event: Breaker.Event): Breaker.Verdict => {
        const { state, verdict } = transition(entry.base, event)
        become(held, key, entry, state, event.at, false)
        return verdict
      }

      const count = (entry: Entry, verdict: Breaker.Verdict): Breaker.Verdict => {
        if (verdict._tag === "Admitted") entry.inFlight++
        return verdict
      }

      const tell = (entry: Entry, { told }: Unwritten, verdict: Breaker.Verdict) => {
        count(entry, verdict)
        if (told !== undefined) Deferred.unsafeDone(told, Effect.succeed(verdict))
      }

      const replay = (entry: Entry) => {
        entry.state = entry.unwritten.reduce((state, { event }) => transition(state, event).state, entry.base)
      }

      /** The store is left out: what it does not know is this process's own. */
      const keepLocal = (held: Held, key: string, entry: Entry, events: ReadonlyArray<Unwritten>) => {
        const before = entry.base
        for (const one of events) tell(entry, one, apply(held, key, entry, one.event))
        entry.differs ||= entry.base !== before
        entry.state = entry.base
      }

      const offer = (key: string, eventOf: EventOf): Effect.Effect<Said> =>
        use(key, (entry, held, now): Said => {
          const event = eventOf(now, `${owner}/${held.probes++}`)
          if (event._tag === "Ended") entry.inFlight--
          if (store === undefined) {
            const verdict = count(entry, apply(held, key, entry, event))
            entry.state = entry.base
            return { _tag: "Said", verdict }
          }
          if (!entry.syncing && isWithin(entry.awayAt, now, backOff)) {
            keepLocal(held, key, entry, entry.unwritten.splice(0))
            const before = entry.base
            const verdict = count(entry, apply(held, key, entry, event))
            entry.differs ||= entry.base !== before
            entry.state = entry.base
            return { _tag: "Said", verdict }
          }
          const { state, verdict } = transition(entry.state, event)
          const looks = event._tag === "Looked" || (event._tag === "Asked" && !isWithin(entry.lookedAt, now, refresh))
          if (looks || Breaker.isLasting(entry.state, event, state)) {
            const told = Deferred.unsafeMake<Breaker.Verdict>(FiberId.none)
            const begins = !entry.syncing
            entry.unwritten.push({ event, told, looks })
            entry.state = state
            entry.syncing = true
            return { _tag: "Waits", told, begins }
          }
          if (state !== entry.state) addSuccess(policy.reach, entry, event)
          entry.state = state
          return { _tag: "Said", verdict: count(entry, verdict) }
        })

      const next = (key: string): Effect.Effect<Work> =>
        use(key, (entry, _, at): Work => {
          if (entry.unwritten.every(({ told }) => told === undefined)) {
            entry.syncing = false
            return { _tag: "Done" }
          }
          if (entry.unwritten.some(({ looks }) => looks)) return { _tag: "Look", at }
          let state = entry.base
          let isLasting = entry.differs
          const verdicts = entry.unwritten.map(({ event }) => {
            const step = transition(state, event)
            const changes = step.state !== state
            isLasting ||= Breaker.isLasting(state, event, step.state)
            state = step.state
            return { verdict: step.verdict, changes }
          })
          if (isLasting) {
            entry.batch = entry.unwritten.length
            return { _tag: "Write", version: entry.version, state, at }
          }
          // nothing that the others have to know now
          const told = entry.unwritten
          entry.unwritten = told.flatMap(({ event }, i) =>
            verdicts[i]!.changes ? [{ event, told: undefined, looks: false }] : []
          )
          told.forEach((one, i) => tell(entry, one, verdicts[i]!.verdict))
          return { _tag: "Again" }
        })

      const written = (key: string, version: number) =>
        use(key, (entry, held) => {
          const batch = entry.unwritten.splice(0, entry.batch)
          for (const one of batch) tell(entry, one, apply(held, key, entry, one.event))
          Object.assign(entry, { version, batch: 0, conflicts: 0, differs: false, awayAt: undefined })
          replay(entry)
        })

      const seen = (key: string, { state, version }: Seen, at: number) =>
        use(key, (entry, held) => {
          entry.lookedAt = at
          entry.batch = 0
          if (version !== entry.version) {
            const { _tag, generation } = entry.base
            // what is gone was closed long ago; calls that were admitted while it was not are late
            const present = state ?? Breaker.closed(_tag === "Closed" ? generation : generation + 1, "initial")
            become(held, key, entry, present, at, true)
            Object.assign(entry, { version, differs: false })
          }
          entry.unwritten = entry.unwritten.map((one) => (one.looks ? { ...one, looks: false } : one))
          replay(entry)
        })

      const away = (key: string, cause: Cause.Cause<NodeError.NodeStateUnavailable>) =>
        use(key, (entry, held, now) => {
          Telemetry.breakerStoreFailures.unsafeUpdate(1, [])
          Object.assign(entry, { batch: 0, conflicts: 0, awayAt: now })
          keepLocal(held, key, entry, entry.unwritten.splice(0))
        }).pipe(
          Effect.zipRight(
            Effect.logWarning(`breaker "${key}" goes on with what this process knows for ${backOff} ms`, cause)
          ),
          Effect.annotateLogs({ package: "heddle", module: "CircuitBreaker", fiber: "sync" })
        )

      const look = (store: BreakerStore, key: string, at: number) =>
        Effect.flatMap(store.read(key), (found) => seen(key, found, at))

      /** In an uninterruptible region, which its fiber inherits: whoever waits is told. */
      const sync = (store: BreakerStore, key: string): Effect.Effect<void> =>
        Effect.flatMap(next(key), (work) => {
          switch (work._tag) {
            case "Done":
              return Effect.void
            case "Again":
              return sync(store, key)
            case "Look":
              return attempt(store, key, look(store, key, work.at))
            case "Write":
              return attempt(
                store,
                key,
                Effect.flatMap(store.write(key, work.version, work.state, work.at), (version) =>
                  version !== undefined
                    ? written(key, version)
                    : Effect.zipRight(conflict(key), look(store, key, work.at))
                )
              )
          }
        })

      const attempt = (store: BreakerStore, key: string, effect: Effect.Effect<void, NodeError.NodeStateUnavailable>) =>
        Effect.zipRight(
          Effect.catchAllCause(effect, (cause) => away(key, cause)),
          sync(store, key)
        )

      const conflict = (key: string) =>
        Effect.flatMap(
          use(key, (entry) => ++entry.conflicts),
          (conflicts) =>
            conflicts <= maxConflicts
              ? Effect.void
              : new NodeError.NodeStateUnavailable({
                  node: "circuit breaker",
                  key,
                  faults: `somebody else has changed it, ${conflicts} times in a row`
                })
        )

      const withdraw = (key: string, told: Deferred.Deferred<Breaker.Verdict>) =>
        Effect.flatMap(Deferred.await(told), (verdict) =>
          verdict._tag === "Admitted"
            ? say(
                key,
                (at) => ({ _tag: "Ended", at, ticket: verdict.ticket, outcome: "neither", slow: false, count: 1 }),
                (told) => told
              )
            : Effect.void
        )

      const say: Breakers["say"] = (key, event, restore) =>
        Effect.flatMap(offer(key, event), (said) => {
          if (said._tag === "Said") return Effect.succeed(said.verdict)
          const { begins, told } = said
          const fork = begins && store !== undefined ? Effect.forkDaemon(sync(store, key)) : Effect.void
          return Effect.zipRight(
            fork,
            Effect.onInterrupt(restore(Deferred.await(told)), () => withdraw(key, told))
          )
        })

      return {
        say,
        peek: (key) => access(({ keys }) => keys.peek(key)?.state ?? Breaker.initial),
        size: access(({ keys }) => keys.size),
        changes: (capacity) =>
          Effect.acquireRelease(
            Effect.tap(Mailbox.make<Change>({ capacity, strategy: "sliding" }), (mailbox) =>
              access(({ listeners }) => void listeners.add(mailbox))
            ),
            (mailbox) =>
              Effect.zipRight(
                access(({ listeners }) => void listeners.delete(mailbox)),
                mailbox.shutdown
              )
          )
      }
    }
  )

/** Not when the clock was set back behind it. */
const isWithin = (since: number | undefined, now: number, millis: number): boolean =>
  since !== undefined && since <= now && now - since < millis

/** Successes that the window does not tell apart are kept as one; those that it has forgotten are not kept. */
const addSuccess = (reach: Window.Reach, entry: Entry, event: Breaker.Event) => {
  const { unwritten } = entry
  const last = unwritten.length > entry.batch ? unwritten.at(-1) : undefined
  if (
    last?.told === undefined &&
    last?.event._tag === "Ended" &&
    event._tag === "Ended" &&
    last.event.ticket.generation === event.ticket.generation &&
    Window.isSameTime(reach, last.event.at, event.at)
  ) {
    const at = Math.max(last.event.at, event.at)
    unwritten[unwritten.length - 1] = { ...last, event: { ...last.event, at, count: last.event.count + event.count } }
    return
  }
  unwritten.push({ event, told: undefined, looks: false })
  if (!entry.syncing && unwritten.length > maxKept) unwritten.shift()
}

/** More than a window has parts. */
const maxKept = 16
