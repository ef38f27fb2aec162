import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Definition from "../../dag/Definition.js"
import * as Telemetry from "../../model/Telemetry.js"
import type { Failure, SharedValues } from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"
import * as Attempts from "./Attempts.js"
import type { ChildEvents, RunOptions, StopReason } from "./Execution.js"
import type { Detail } from "./ExecutionState.js"
import * as Failures from "./Failures.js"
import * as Inputs from "./Inputs.js"
import type { Loop, Owner } from "./Loop.js"
import type { EndedItem } from "./Recall.js"
import * as Results from "./Results.js"
import { givenItem } from "./RunGuard.js"
import type { SharedCells } from "./SharedCells.js"

/** Why a map failed; `failure` where it was stored before, and then `cause` only where the error could be decoded. */
export interface MapFailure {
  readonly cause?: Cause.Cause<unknown> | undefined
  readonly encoded?: unknown
  readonly failure?: Failure
}

/** How a map ended. */
export type MapEnd =
  | { readonly _tag: "Completed"; readonly results: ReadonlyArray<unknown> }
  | ({ readonly _tag: "Failed" } & MapFailure)
  | { readonly _tag: "Stopped"; readonly reason: StopReason }

export interface Options {
  /** The path of the map. */
  readonly module: string
  readonly definition: Definition.MapDefinition
  readonly items: ReadonlyArray<unknown>
  readonly needs: Definition.ErasedValues
  readonly cells: SharedCells
  /** The ends of items that had ended before, by index. */
  readonly known: ReadonlyArray<EndedItem | undefined>
  readonly emit: (
    item: number,
    status: "completed" | "failed",
    detail: Pick<Detail, "failure" | "shared">,
    output: string | null
  ) => void
  /** The child Dag, when that is what is done with an item. */
  readonly child:
    | {
        readonly plan: Plan
        /** Whether it had begun when the run was cut off: then its inputs are known. */
        readonly hasBegun: (item: number) => boolean
        readonly execute: (item: number, inputs: ReadonlyMap<number, unknown>, events: ChildEvents) => void
      }
    | undefined
  readonly onEnd: (end: MapEnd) => void
}

export interface MapItems {
  readonly begin: () => void
  readonly stop: (reason: StopReason) => void
}

/**
 * The items of one map: as many at once as it allows, each through the loop, each persisted as it ends. What is kept of
 * an item is its result.
 */
export const make = (loop: Loop, options: Options): MapItems => {
  const { cells, child, definition, emit, items, known, module, needs, onEnd } = options
  const { settings } = loop
  const { guard } = settings
  const given = (item: number) => givenItem(items[item], needs, item)
  const { concurrency, each, limit, onItemFailure, priority } = definition
  const collect = onItemFailure === "collect"
  const results = new Array<unknown>(items.length)
  const begun = new Uint8Array(items.length)
  const active = new Map<number, { readonly stop: (reason: StopReason) => void }>()
  let left = items.length
  let inFlight = 0
  let next = 0
  let stopping: StopReason | undefined
  let failure: MapFailure | undefined
  let ended = false
  /** Items are being told to stop, and some may begin to be: the map has not ended before all have. */
  let beginning = false

  const end = (with_: MapEnd) => {
    if (ended) return
    ended = true
    onEnd(with_)
  }

  const checkEnd = () => {
    if (beginning || active.size > 0) return
    if (failure !== undefined) end({ _tag: "Failed", ...failure })
    else if (left === 0) end({ _tag: "Completed", results })
    else if (stopping !== undefined) end({ _tag: "Stopped", reason: stopping })
  }

  const feed = () => {
    while (stopping === undefined && inFlight < concurrency && next < items.length) {
      const item = next++
      if (known[item] !== undefined) continue
      inFlight++
      if (each.kind === "dag") loop.inline(owner, item)
      else loop.ready(owner, item, priority, limit)
    }
  }

  const itemEnded = () => {
    left--
    inFlight--
    feed()
    checkEnd()
  }

  const complete = (item: number, value: unknown, output: string | null, shared?: SharedValues) => {
    results[item] = collect ? Exit.succeed(value) : value
    emit(item, "completed", { shared }, output)
    itemEnded()
  }

  const fail = (item: number, cause: Cause.Cause<unknown>, encoded: unknown) => {
    const kept = Failures.failureOf(cause, encoded)
    emit(item, "failed", { failure: kept }, null)
    if (collect) {
      results[item] = Results.storedEnding(module, kept, cause)
      return itemEnded()
    }
    inFlight--
    failWith({ cause, encoded })
    checkEnd()
  }

  const failWith = (why: MapFailure) => {
    failure ??= why
    stop("failed")
  }

  const stop = (reason: StopReason) => {
    if (ended || (stopping !== undefined && stopping !== "stopped")) return
    stopping = reason
    beginning = true
    for (const activity of [...active.values()]) activity.stop(reason)
    if (child !== undefined) {
      // what had begun before is ended by its own modules
      for (let item = 0; item < items.length; item++) {
        if (begun[item] === 0 && known[item] === undefined && child.hasBegun(item)) owner.start(item)
      }
    }
    beginning = false
    checkEnd()
  }

  const wasTold = () => stopping !== undefined && stopping !== "stopped"

  /** Runs the effect of an item; an end other than success is the same for all. */
  const run = <A>(
    item: number,
    effect: Effect.Effect<A, unknown, unknown>,
    onSuccess: (value: A) => void,
    options: RunOptions = {}
  ) => {
    const began = loop.now()
    const running = loop.fork(effect, module, options, (exit) => {
      active.delete(item)
      if (options.slot !== undefined) Telemetry.moduleDuration.unsafeUpdate(loop.now() - began, [])
      // the effect is what this very call was given
      if (Exit.isSuccess(exit)) onSuccess(exit.value as A)
      else if (wasTold() && Cause.isInterruptedOnly(exit.cause)) checkEnd()
      else fail(item, exit.cause, options.encodedError?.())
    })
    if (running === undefined) return
    const activity = { stop: (reason: StopReason) => void (reason === "stopped" || running.interrupt()) }
    active.set(item, activity)
    if (stopping !== undefined) activity.stop(stopping)
  }

  const startEffect = (item: number, definition: Definition.MapDefinition["each"] & { readonly kind: "effect" }) => {
    const { effect, encodedError, slot } = Attempts.make({
      host: loop.host,
      cells,
      module,
      item,
      definition,
      run:
        guard === undefined
          ? () => definition.run(items[item], needs, item)
          : () => guard.effect(module, given(item), () => definition.run(items[item], needs, item)),
      fallback: undefined,
      first: 1,
      delay: 0,
      alwaysDecode: settings.alwaysDecode,
      before: undefined,
      onAttempt: () => Effect.void,
      onDelay: () => {}
    })
    run(
      item,
      effect,
      ({ text, value }) => {
        const committed = slot.current.commit()
        if (Either.isRight(committed)) complete(item, value, text, committed.right)
        else fail(item, committed.left, undefined)
      },
      { slot, limit, encodedError }
    )
  }

  const startChild = (
    item: number,
    { execute, hasBegun, plan }: NonNullable<Options["child"]>,
    definition: Definition.MapDefinition["each"] & { readonly kind: "dag" }
  ) => {
    const begin = (inputs: ReadonlyMap<number, unknown>) =>
      execute(item, inputs, {
        begun: (activity, begin) => {
          active.set(item, activity)
          begin()
          if (stopping !== undefined && active.get(item) === activity) activity.stop(stopping)
        },
        onInvalid: (cause) => fail(item, cause, undefined),
        onEnd: (execution) => {
          active.delete(item)
          const ending = execution.ending()
          if (ending === "completed") complete(item, execution.outputs(), null)
          else if (ending === "failed") {
            fail(item, Results.childCause(`${module}/${item}`, plan, execution), undefined)
          } else checkEnd()
        }
      })
    if (hasBegun(item)) return begin(new Map())
    run(
      item,
      Effect.suspend(() => {
        const input = () => definition.input(items[item], needs, item)
        return Inputs.encode(plan, guard === undefined ? input() : guard.call(module, given(item), input))
      }),
      ({ values }) => begin(values)
    )
  }

  const owner: Owner = {
    isOpen: (item) => stopping === undefined && begun[item] === 0,
    announce: () => {},
    start: (item) => {
      begun[item] = 1
      if (each.kind === "effect") startEffect(item, each)
      else if (child !== undefined) startChild(item, child, each)
    }
  }

  return {
    stop,
    begin: () => {
      // what failed first is why it failed
      let failed: EndedItem | undefined
      for (const [item, ended] of known.entries()) {
        if (ended === undefined) continue
        left--
        const { exit } = ended
        if (collect) results[item] = exit
        else if (Exit.isSuccess(exit)) results[item] = exit.value
        else if (failed === undefined || ended.seq < failed.seq) failed = ended
      }
      if (failed !== undefined) return failWith(failed)
      feed()
      checkEnd()
    }
  }
}
