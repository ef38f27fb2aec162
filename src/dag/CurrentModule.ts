/**
 * What a module may ask of the engine while it runs.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { ModuleEnded } from "../model/ModuleError.js"
import type { RunId } from "../model/RunId.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("~heddle/dag/CurrentModule")

/** Cells by their key, as plain values. */
type Cells = { readonly [key: string]: unknown }

/**
 * One attempt of one module, or of one item of a map. Each effect that can fail does once that attempt has ended.
 *
 * - `path`: of the module; `index`: of the item, in a map; `attempt`: counts from 1
 * - `isCutOff`: whether the run is being cut off, and can be resumed: it tells what an interruption means
 * - `update`: of the cells of a group, when the module or the item completes; `updateLive`: at once
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt {
  readonly [TypeId]: typeof TypeId
  readonly runId: RunId
  readonly path: string
  readonly index: number | undefined
  readonly attempt: number
  readonly isCutOff: Effect.Effect<boolean>
  readonly emit: (value: unknown) => Effect.Effect<void, ModuleEnded>
  readonly progress: (done: number, total: number) => Effect.Effect<void, ModuleEnded>
  readonly stop: Effect.Effect<void, ModuleEnded>
  readonly get: (group: string, key: string) => Effect.Effect<unknown, ModuleEnded>
  readonly update: (group: string, f: (cells: Cells) => Cells) => Effect.Effect<void, ModuleEnded>
  readonly updateLive: (group: string, f: (cells: Cells) => Cells) => Effect.Effect<void, ModuleEnded>
}

/**
 * Required by `Run` and `Shared`, and given to the effects of modules by the engine alone: so they cannot be used
 * anywhere else.
 *
 * @since 0.1.0
 * @category services
 */
export class CurrentModule extends Context.Tag("heddle/dag/CurrentModule")<CurrentModule, Attempt>() {}
