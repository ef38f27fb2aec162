import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Module from "../../dag/Module.js"
import {
  AlreadyDelivered,
  RunFinished,
  SignalClosed,
  SignalInvalid,
  UnknownRun,
  UnknownSignal
} from "../../model/RunError.js"
import type { RunId } from "../../model/RunId.js"
import * as SignalPaths from "../../model/SignalPaths.js"
import { isEnded } from "../../model/Transition.js"
import type { Signals } from "../../state/Signals.js"
import type { LiveRuns } from "./LiveRuns.js"
import type { SignalState } from "./Loop.js"
import * as Values from "./Values.js"

export interface Services {
  readonly liveRuns: LiveRuns
  readonly signals: typeof Signals.Service
  readonly notify: Effect.Effect<void>
}

/** Commits a signal, and tells whoever can act on it. */
export const make =
  ({ notify, liveRuns, signals }: Services) =>
  (runId: RunId, { definition, name }: Module.Any, value: unknown, within: string | undefined) =>
    Effect.gen(function* () {
      const path = within === undefined ? name : `${within}/${name}`
      if (definition.kind !== "signal") return yield* new UnknownSignal({ runId, signal: path })
      const text = yield* Effect.mapError(
        Values.encode(definition.value, value),
        ({ faults }) => new SignalInvalid({ runId, signal: path, faults })
      )
      const state: SignalState = { closed: false, value: text }
      const live = yield* liveRuns.find(runId)
      const refuse = (was: SignalState | undefined) =>
        was === undefined
          ? Effect.void
          : was.closed
            ? new SignalClosed({ runId, signal: path })
            : new AlreadyDelivered({ runId, signal: path })
      if (Option.isSome(live) && live.value.driven.settleHere !== undefined) {
        if (!SignalPaths.includes(live.value.plan.signals, path)) {
          return yield* new UnknownSignal({ runId, signal: path })
        }
        yield* refuse(live.value.driven.settleHere(path, state))
        return live.value.driven.deliver(path, state)
      }
      const settled = yield* signals.settle({ runId, module: path, ...state })
      switch (settled._tag) {
        case "Unknown":
          return yield* new UnknownRun({ runId })
        case "UnknownSignal":
          return yield* new UnknownSignal({ runId, signal: path })
        case "Finished": {
          const { status } = settled.run
          return isEnded(status) ? yield* new RunFinished({ runId, status }) : undefined
        }
        case "Settled":
          yield* refuse(settled.was)
      }
      // the driver may have come while the signal was on its way
      const driving = yield* liveRuns.find(runId)
      if (Option.isSome(driving)) driving.value.driven.deliver(path, state)
      else yield* notify
    })
