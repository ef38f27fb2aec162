import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Definition from "../../dag/Definition.js"
import { DurationInvalid } from "../../model/ModuleError.js"
import { ModuleTimedOut } from "../../model/ModuleTimedOut.js"
import * as Millis from "../../model/Millis.js"
import { StoredValueInvalid } from "../../model/RunError.js"
import type { DagContext } from "./Execution.js"
import * as Failures from "./Failures.js"
import type { SignalState } from "./Loop.js"
import * as Values from "./Values.js"

/** A module that waits for a value from outside. */
export const startSignal = (dag: DagContext, index: number, definition: Definition.SignalDefinition): void => {
  const { loop } = dag
  const { settings } = loop
  const module = dag.pathOf(index)
  const attempt = dag.sameAttempt(index)
  const millis = Millis.of(definition.timeout) ?? Infinity

  const settle = (signal: SignalState) => {
    dag.leave(index)
    if (signal.closed) timeOut()
    else deliver(signal.value)
  }
  const deliver = (text: string | null) =>
    dag.run(
      index,
      Effect.mapError(
        Values.decode(definition.value, text),
        (faults) => new StoredValueInvalid({ runId: settings.runId, module, faults })
      ),
      (value) => dag.complete(index, attempt, value, { output: text, durability: dag.durabilityOf(index) })
    )
  const timeOut = () => {
    const { onTimeout } = definition
    if (onTimeout === undefined) {
      return dag.fail(index, attempt, Cause.fail(new ModuleTimedOut({ module, attempt, millis })))
    }
    dag.run(
      index,
      Effect.suspend(() => Values.settle(definition.value, onTimeout(), settings.alwaysDecode)),
      ({ text, value }) => dag.complete(index, attempt, value, { output: text, durability: dag.durabilityOf(index) })
    )
  }

  const known = settings.signals.get(module)
  if (known !== undefined) return settle(known)
  const close = () => {
    dag.leave(index)
    dag.run(index, settings.closeSignal(module), (signal) => {
      settings.signals.set(module, signal)
      settle(signal)
    })
  }
  wait(dag, index, attempt, millis, close, settle)
}

/** A module that waits for a time; an endless one is ended by nothing but the end of the run. */
export const startSleep = (dag: DagContext, index: number, definition: Definition.SleepDefinition): void => {
  const { states } = dag
  const attempt = dag.sameAttempt(index)
  let millis = 0
  if (states.statusOf(index) !== "suspended") {
    const { duration } = definition
    let given: Duration.DurationInput
    try {
      given = typeof duration === "function" ? dag.call(index, duration) : duration
    } catch (defect) {
      return dag.fail(index, attempt, Cause.die(defect))
    }
    const checked = Millis.of(given)
    if (checked === undefined) {
      const invalid = new DurationInvalid({
        module: dag.pathOf(index),
        duration: Failures.guarded(() => String(given), `a ${typeof given}`)
      })
      return dag.fail(index, attempt, Cause.fail(invalid))
    }
    millis = checked
  }
  const awake = () => {
    dag.leave(index)
    dag.complete(index, attempt, undefined)
  }
  wait(dag, index, attempt, millis, awake)
}

/** Suspends a module, or leaves one that was suspended before with the deadline that it has. */
const wait = (
  dag: DagContext,
  index: number,
  attempt: number,
  millis: number,
  due: () => void,
  delivered?: (signal: SignalState) => void
): void => {
  const { loop, states } = dag
  let until: number | undefined
  if (states.statusOf(index) === "suspended") until = states.untilOf(index)
  else {
    const at = loop.now()
    until = millis === Infinity ? undefined : at + millis
    dag.transition(index, "suspended", attempt, { at, until })
  }
  const unwait = loop.waits(dag.pathOf(index), delivered)
  const timer = until === undefined ? undefined : loop.at(until, due)
  dag.park(index, () => {
    unwait()
    timer?.cancel()
  })
}
