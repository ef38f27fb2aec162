import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Telemetry from "../../model/Telemetry.js"
import type { Stats } from "../WriterStats.js"
import { tally, type Entry, type Tally } from "./Entry.js"

/** Knows where every update is, and how many are there, in all and of each unit. */
export interface Ledger {
  readonly totals: Readonly<Tally>
  /** An entry is offered: it is to be accepted, or it waits for room. */
  readonly offered: (entry: Entry) => void
  /** It does wait. */
  readonly waits: () => void
  readonly withdrawn: (entry: Entry) => void
  readonly accepted: (entry: Entry) => void
  readonly taken: (batch: ReadonlyArray<Entry>) => void
  /** Whether it was not settled before. */
  readonly settled: (entry: Entry, as: "processed" | "failed") => boolean
  readonly coalesced: (tally: Tally, count: number) => void
  readonly committed: () => void
  readonly retried: () => void
  readonly ended: () => void
  /** `oldest`: what was accepted first of all that is not settled. */
  readonly stats: (oldest: Entry | undefined) => Stats
  readonly changes: (stats: () => Stats) => Stream.Stream<Stats>
}

export const make = (clock: Clock.Clock): Ledger => {
  const totals = tally()
  const watchers = new Set<() => void>()
  let waiting = 0
  let batches = 0
  let retries = 0
  let version = 0
  let hasEnded = false

  // both at once, and without a list of them: this is done for every update
  const move = (own: Tally, from: "depth" | "inFlight" | undefined, to: keyof Tally) => {
    if (from !== undefined) {
      totals[from]--
      own[from]--
    }
    totals[to]++
    own[to]++
  }

  const changed = () => {
    version++
    Telemetry.writerDepth.unsafeUpdate(totals.depth, [])
    if (watchers.size > 0) for (const watcher of watchers) watcher()
  }

  return {
    totals,
    offered: () => void waiting++,
    waits: changed,
    withdrawn: (entry) => {
      entry.place = "settled"
      waiting--
      changed()
    },
    accepted: (entry) => {
      entry.place = "queued"
      waiting--
      move(entry.unit.tally, undefined, "queued")
      move(entry.unit.tally, undefined, "depth")
      changed()
    },
    taken: (batch) => {
      for (const entry of batch) {
        entry.place = "inFlight"
        move(entry.unit.tally, "depth", "inFlight")
      }
      changed()
    },
    settled: (entry, as) => {
      const { place } = entry
      if (place === "settled") return false
      entry.place = "settled"
      if (place === "offered") waiting--
      else if (place !== "refused") move(entry.unit.tally, place === "queued" ? "depth" : "inFlight", as)
      changed()
      return true
    },
    coalesced: (counts, count) => {
      totals.coalesced += count
      counts.coalesced += count
    },
    committed: () => void batches++,
    retried: () => {
      retries++
      changed()
    },
    ended: () => {
      hasEnded = true
      changed()
    },
    stats: (oldest) => ({
      ...totals,
      waiting,
      batches,
      retries,
      // not below 0 when the clock was set back
      oldestAge: oldest === undefined ? 0 : Math.max(0, clock.unsafeCurrentTimeMillis() - oldest.acceptedAt)
    }),
    changes: (stats) =>
      Stream.unfoldEffect(-1, (seen) =>
        Effect.async<Option.Option<readonly [Stats, number]>>((resume) => {
          const look = () => {
            watchers.delete(look)
            resume(Effect.sync(() => Option.some([stats(), version] as const)))
          }
          if (version !== seen) return look()
          if (hasEnded) return resume(Effect.succeedNone)
          watchers.add(look)
          return Effect.sync(() => watchers.delete(look))
        })
      )
  }
}
