/**
 * Finds what breaks the rules of state: changes in place, and handles that are used where they do not belong.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { CurrentModule } from "../dag/CurrentModule.js"
import { StateViolation } from "../model/StateViolation.js"
import * as Reachable from "./internal/Reachable.js"
import { currentCall } from "./internal/RunGuard.js"

export { StateViolation } from "../model/StateViolation.js"

/**
 * `onViolation`: what is done with each violation besides failing who did it; it must not fail and should be short.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly onViolation: (violation: StateViolation) => Effect.Effect<void>
}

/**
 * Violations are logged as errors.
 *
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = {
  onViolation: (violation) =>
    Effect.logError(violation.message).pipe(Effect.annotateLogs({ package: "heddle", module: "DebugGuard" }))
}

/**
 * Whether the guard is on. Engines and nodes look at it once, when their Layers are built. Undefined: `HEDDLE_DEBUG`
 * decides.
 *
 * @since 0.1.0
 * @category services
 */
export class DebugGuard extends Context.Reference<DebugGuard>()("heddle/run/DebugGuard", {
  defaultValue: (): Options | undefined => undefined
}) {}

/**
 * Turns the guard on for the engines and nodes whose Layers are built with it: provide it last, around all of them.
 *
 * @example
 * ```ts
 * import { Engine, Heddle } from "heddle"
 * import * as DebugGuard from "heddle/run/DebugGuard"
 * import { Console, Effect } from "effect"
 *
 * const program = Engine.list().pipe(
 *   Effect.provide(Heddle.layerMemory),
 *   Effect.provide(DebugGuard.layer({ onViolation: ({ message }) => Console.error(message) }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Partial<Options> = {}): Layer.Layer<DebugGuard> =>
  Layer.succeed(DebugGuard, { ...defaults, ...options })

const fromConfig = Config.boolean("HEDDLE_DEBUG").pipe(Config.withDefault(false))

/**
 * The guard that is on, `None` when it is off. A `HEDDLE_DEBUG` that is no boolean is a defect.
 *
 * @since 0.1.0
 * @category accessors
 */
export const active: Effect.Effect<Option.Option<Options>> = Effect.flatMap(DebugGuard, (options) =>
  options === undefined
    ? Effect.map(Effect.orDie(fromConfig), (isOn) => (isOn ? Option.some(defaults) : Option.none()))
    : Effect.succeed(Option.some(options))
)

/** The module in whose fiber an effect runs. */
const here = Effect.map(Effect.serviceOption(CurrentModule), (current) =>
  Option.match(current, {
    onNone: () => ({ runId: null, module: null }),
    onSome: ({ path, runId }) => ({ runId, module: path })
  })
)

const used = (options: Options, node: string) =>
  Effect.flatMap(here, (who) => {
    const violation = new StateViolation({ kind: "endedNode", path: node, ...who, others: [] })
    return Effect.zipRight(options.onViolation(violation), Effect.die(violation))
  })

/**
 * The service of a node, bound to the scope of its Layer: with the guard on, each of its effects, and each effect that
 * its functions give, dies with `StateViolation` when it is run after that scope was closed. It may be an instance of a
 * class: `this` is the service itself in its functions and getters. With the guard off it is the service as it is. For
 * who writes a node; the nodes of Heddle do it themselves.
 *
 * - `isShared`: whether what it gives belongs to the node too, or to other callers: then plain data of it is deep-frozen,
 *   what cannot be is compared until the module that called it ends, and who changes it dies with `StateViolation`
 * - `interruptsAtEnd`: whether the node itself interrupts who uses it after that scope was closed, as an orchestrator does,
 *   whose runs are cut off then: that is left to it
 *
 * @example
 * ```ts
 * import * as DebugGuard from "heddle/run/DebugGuard"
 * import { Context, Effect, Layer } from "effect"
 *
 * class Slug extends Context.Tag("app/Slug")<Slug, { readonly process: (title: string) => Effect.Effect<string> }>() {}
 *
 * const SlugLive = Layer.scoped(
 *   Slug,
 *   DebugGuard.scoped("app/Slug", { process: (title: string) => Effect.succeed(title.replaceAll(" ", "-")) })
 * )
 * ```
 *
 * @since 0.1.0
 * @category nodes
 */
export const scoped = <S extends object>(
  name: string,
  service: S,
  {
    interruptsAtEnd = false,
    isShared = false
  }: { readonly isShared?: boolean; readonly interruptsAtEnd?: boolean } = {}
): Effect.Effect<S, never, Scope.Scope> =>
  Effect.gen(function* () {
    const guard = yield* active
    if (Option.isNone(guard)) return service
    const isOpen = yield* Ref.make(true)
    yield* Effect.addFinalizer(() => Ref.set(isOpen, false))
    const handOut = (value: unknown) =>
      Effect.map(FiberRef.get(currentCall), (call) => {
        if (call !== undefined) call.isGiven(name, value)
        else Reachable.freeze(value)
      })
    const whileOpen = (effect: Effect.Effect<unknown, unknown, unknown>) =>
      Effect.flatMap(Ref.get(isOpen), (open) => {
        if (!open && !interruptsAtEnd) return used(guard.value, name)
        return isShared ? Effect.tap(effect, handOut) : effect
      })
    const bound = (member: unknown): unknown => (Effect.isEffect(member) ? whileOpen(member) : member)
    return standIn(service, (member) =>
      typeof member === "function"
        ? new Proxy(member, { apply: (f, _, args) => bound(Reflect.apply(f, service, args)) })
        : bound(member)
    )
  })

/**
 * An object like another one, whose members are given through `wrap`. They are its own, also those that the other one
 * inherits: so that functions and getters run with the other one as `this`, to whom their private fields belong.
 */
const standIn = <S extends object>(of: S, wrap: (member: unknown) => unknown): S => {
  // a function stands for itself, members and all; the type is the same
  if (typeof of === "function") return wrap(of) as S
  const prototype: object | null = Object.getPrototypeOf(of)
  const made = Object.create(prototype) as object
  for (let at: object | null = of; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [key, property] of ownProperties(at)) {
      if (key === "constructor" || Object.hasOwn(made, key)) continue
      const { enumerable = false } = property
      const isFunction = typeof property.value === "function"
      Object.defineProperty(made, key, {
        ...{ configurable: true, enumerable },
        ...(isFunction
          ? { value: wrap(property.value), writable: true }
          : {
              get: () => wrap(Reflect.get(of, key)),
              set: (value: unknown) => void Object.assign(of, { [key]: value })
            })
      })
    }
  }
  // each member has the type of the one that it stands for
  return made as S
}

const ownProperties = (object: object) =>
  Reflect.ownKeys(object).flatMap((key): ReadonlyArray<readonly [PropertyKey, PropertyDescriptor]> => {
    const property = Object.getOwnPropertyDescriptor(object, key)
    return property === undefined ? [] : [[key, property]]
  })
