import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RunSnapshot } from "../../model/RunSnapshot.js"
import type { Transition } from "../../model/Transition.js"

/** Transitions a viewer may be behind before it is given a snapshot instead of them. */
const capacity = 1024

interface Viewer {
  /** Whether the viewer missed transitions: it is given a snapshot in their place when it comes. */
  missed: boolean
  /** What the viewer has to be given before `transitions`, once everything up to its `seq` is published. */
  snapshot: RunSnapshot | undefined
  transitions: Array<Transition>
  wake: (() => void) | undefined
}

/**
 * Publishes the transitions of one run to any number of viewers, each at its own speed and in bounded memory: who is
 * more than `capacity` behind continues from a fresh snapshot.
 */
export interface ChangeFeed {
  readonly publish: (transition: Transition) => void
  /** No more will come: viewers get what is left, then their streams end. */
  readonly end: () => void
  readonly changes: Stream.Stream<RunSnapshot | Transition>
}

export const make = (current: () => RunSnapshot, publishedUpTo: number): ChangeFeed => {
  const viewers = new Set<Viewer>()
  let published = publishedUpTo
  let ended = false

  const wake = (viewer: Viewer) => {
    const resume = viewer.wake
    viewer.wake = undefined
    resume?.()
  }

  const take = (viewer: Viewer): ReadonlyArray<RunSnapshot | Transition> => {
    if (viewer.missed) {
      // not while it is away: a snapshot costs as much as the run has modules
      viewer.missed = false
      viewer.snapshot = current()
      viewer.transitions = []
    }
    const { snapshot } = viewer
    // what is in it may not be committed yet; when the run was cut off before that, it never will be
    if (snapshot !== undefined && snapshot.seq > published) return []
    const taken: Array<RunSnapshot | Transition> = snapshot === undefined ? [] : [snapshot]
    for (const transition of viewer.transitions) {
      if (snapshot === undefined || transition.seq > snapshot.seq) taken.push(transition)
    }
    viewer.snapshot = undefined
    viewer.transitions = []
    return taken
  }

  const pull = (viewer: Viewer): Effect.Effect<ReadonlyArray<RunSnapshot | Transition>, Option.Option<never>> =>
    Effect.suspend(() => {
      const taken = take(viewer)
      if (taken.length > 0) return Effect.succeed(taken)
      if (ended) return Effect.fail(Option.none())
      const seen = published
      return Effect.zipRight(
        Effect.async<void>((resume) => {
          // another fiber may have come between the look and this
          if (ended || published !== seen) return resume(Effect.void)
          viewer.wake = () => resume(Effect.void)
          return Effect.sync(() => (viewer.wake = undefined))
        }),
        pull(viewer)
      )
    })

  return {
    publish: (transition) => {
      published = transition.seq
      for (const viewer of viewers) {
        if (viewer.transitions.length >= capacity) {
          viewer.missed = true
          viewer.transitions = []
        }
        if (!viewer.missed) viewer.transitions.push(transition)
        wake(viewer)
      }
    },
    end: () => {
      ended = true
      for (const viewer of viewers) wake(viewer)
    },
    changes: Stream.unwrapScoped(
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => {
            const viewer: Viewer = { missed: false, snapshot: current(), transitions: [], wake: undefined }
            viewers.add(viewer)
            return viewer
          }),
          (viewer) => Effect.sync(() => viewers.delete(viewer))
        ),
        (viewer) => Stream.repeatEffectChunkOption(Effect.map(pull(viewer), Chunk.unsafeFromArray))
      )
    )
  }
}
