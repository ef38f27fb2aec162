import * as Effect from "effect/Effect"
import { isEnded, type Transition } from "../../model/Transition.js"
import type { Persisted, Progressed, RunEvent, Token } from "../RunEvent.js"
import type { Said } from "./CurrentAttempt.js"

/** Events that a viewer may be behind before it goes on from what is stored; it loses tokens and progress then. */
const capacity = 1024

/** Events that the consumer who started the run may be behind before the run waits. */
const room = 256

/** A transition as an event. */
export const eventOf = (transition: Transition): Persisted => {
  if (transition._tag !== "RunTransition") return transition
  const { at, epoch, seq, status, until } = transition
  if (isEnded(status)) return { _tag: "Finished", seq, at, status }
  return status === "suspended"
    ? { _tag: "Suspended", seq, at, ...(until === undefined ? undefined : { until }) }
    : { _tag: "Started", seq, at, epoch }
}

/** One who looks at a run. */
export interface Viewer {
  /**
   * What has come since the last time, none when the feed has ended. `missed`: so much had come that transitions were
   * left out before these; they are stored.
   */
  readonly take: Effect.Effect<{ readonly events: ReadonlyArray<RunEvent>; readonly missed: boolean } | undefined>
  readonly close: () => void
}

/** Publishes what happens in one run to any number of viewers, each at its own speed. */
export interface EventFeed {
  readonly publish: (transition: Transition) => void
  /** Waits while the consumer who started the run is behind. */
  readonly hasRoom: Effect.Effect<void>
  readonly say: (said: Said, module: string, index: number | undefined) => Effect.Effect<void>
  readonly isBehind: () => boolean
  /** No more will come: viewers get what is left. */
  readonly end: () => void
  /** `isStarter`: the run does not run ahead of it. */
  readonly view: (isStarter: boolean) => Viewer
}

interface Buffer {
  readonly isStarter: boolean
  events: Array<RunEvent>
  missed: boolean
  wake: (() => void) | undefined
}

/**
 * `isStored`: whether what a viewer misses can be read from the store; where it can't, transitions are kept for it.
 * `onRoom` is called when the consumer who started the run has caught up.
 */
export const make = (publishedUpTo: number, isStored: boolean, onRoom: () => void): EventFeed => {
  const viewers = new Set<Buffer>()
  const speakers = new Set<() => void>()
  let published = publishedUpTo
  let sub = 0
  let ended = false

  const wake = (viewer: Buffer) => {
    const resume = viewer.wake
    viewer.wake = undefined
    resume?.()
  }

  const give = (viewer: Buffer, event: RunEvent) => {
    const isSaid = event._tag === "Token" || event._tag === "Progressed"
    if (!viewer.isStarter && viewer.events.length >= capacity) {
      if (isSaid) return
      if (isStored) {
        viewer.events = []
        viewer.missed = true
      }
    }
    viewer.events.push(event)
    wake(viewer)
  }

  const isBehind = () => {
    for (const viewer of viewers) if (viewer.isStarter && viewer.events.length >= room) return true
    return false
  }

  const caughtUp = () => {
    if (isBehind()) return
    for (const speaker of [...speakers]) speaker()
    onRoom()
  }

  const hasRoom: Effect.Effect<void> = Effect.suspend(() =>
    isBehind()
      ? Effect.zipRight(
          Effect.async<void>((resume) => {
            // another fiber may have come between the look and this
            if (!isBehind()) return resume(Effect.void)
            const speaker = () => {
              speakers.delete(speaker)
              resume(Effect.void)
            }
            speakers.add(speaker)
            return Effect.sync(() => speakers.delete(speaker))
          }),
          hasRoom
        )
      : Effect.void
  )

  const take = (viewer: Buffer): Viewer["take"] =>
    Effect.suspend(() => {
      const { events, missed } = viewer
      if (events.length > 0) {
        const wasBehind = viewer.isStarter && events.length >= room
        viewer.events = []
        viewer.missed = false
        if (wasBehind) caughtUp()
        return Effect.succeed({ events, missed })
      }
      if (ended) return Effect.succeed(undefined)
      return Effect.zipRight(
        Effect.async<void>((resume) => {
          if (ended || viewer.events.length > 0) return resume(Effect.void)
          viewer.wake = () => resume(Effect.void)
          return Effect.sync(() => (viewer.wake = undefined))
        }),
        take(viewer)
      )
    })

  return {
    isBehind,
    publish: (transition) => {
      published = transition.seq
      sub = 0
      if (viewers.size === 0) return
      const event = eventOf(transition)
      for (const viewer of viewers) give(viewer, event)
    },
    hasRoom,
    say: (said, module, index) =>
      Effect.sync(() => {
        if (viewers.size === 0) return
        const where = { seq: published, sub: ++sub, module, ...(index === undefined ? undefined : { index }) }
        const event: Token | Progressed =
          said._tag === "Token"
            ? { _tag: "Token", ...where, value: said.value }
            : { _tag: "Progressed", ...where, done: said.done, total: said.total }
        for (const viewer of viewers) give(viewer, event)
      }),
    end: () => {
      ended = true
      for (const viewer of viewers) wake(viewer)
    },
    view: (isStarter) => {
      const viewer: Buffer = { isStarter, events: [], missed: false, wake: undefined }
      viewers.add(viewer)
      return {
        take: take(viewer),
        close: () => {
          viewers.delete(viewer)
          if (isStarter) caughtUp()
        }
      }
    }
  }
}
