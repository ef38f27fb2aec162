/**
 * State that the modules of a run share, in cells that are declared.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Types from "effect/Types"
import type { ModuleEnded } from "../model/ModuleError.js"
import { CurrentModule } from "./CurrentModule.js"
import type { DeepReadonly } from "./DeepReadonly.js"
import type { AnyEncoded } from "./internal/Inference.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("~heddle/dag/Shared")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * Every cell, with its type erased: the engine reads it.
 *
 * @since 0.1.0
 * @category models
 */
export interface AnyCell {
  readonly [TypeId]: unknown
  readonly schema: Schema.Schema<unknown, unknown>
  readonly initial: unknown
  readonly live: boolean
  readonly merge: ((current: unknown, given: unknown) => unknown) | undefined
}

/**
 * One value of a run: staged, when it takes part in the completion of modules, or live, when it changes at once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cell<in out A, out Live extends boolean> extends AnyCell {
  readonly [TypeId]: Types.Invariant<A>
  readonly live: Live
}

/**
 * @since 0.1.0
 * @category models
 */
export type Cells = { readonly [key: string]: AnyCell }

/**
 * The requirement of who uses a group; the Dag that lists the group takes it out. A phantom.
 *
 * @since 0.1.0
 * @category models
 */
export interface Use<out Name extends string, in out C> {
  readonly [TypeId]: { readonly name: Name; readonly cells: Types.Invariant<C> }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface AnyUse {
  readonly [TypeId]: { readonly name: string; readonly cells: unknown }
}

/**
 * Cells with a name in common.
 *
 * @since 0.1.0
 * @category models
 */
export interface Group<out Name extends string, in out C extends Cells> {
  readonly [TypeId]: Use<Name, C>
  readonly name: Name
  readonly cells: C
}

/**
 * Every group.
 *
 * @since 0.1.0
 * @category models
 */
export interface AnyGroup {
  readonly [TypeId]: AnyUse
  readonly name: string
  readonly cells: Cells
}

/**
 * @since 0.1.0
 * @category type-level
 */
export type Value<C> = C extends Cell<infer A, boolean> ? DeepReadonly<A> : never

/**
 * The values of the staged cells.
 *
 * @since 0.1.0
 * @category type-level
 */
export type Staged<C extends Cells> = {
  readonly [K in keyof C as C[K] extends { readonly live: false } ? K : never]: Value<C[K]>
}

/**
 * The values of the live cells.
 *
 * @since 0.1.0
 * @category type-level
 */
export type Live<C extends Cells> = {
  readonly [K in keyof C as C[K] extends { readonly live: true } ? K : never]: Value<C[K]>
}

/** New values for some of the cells that are live, or of those that are not; none for the others. */
type Changes<C extends Cells, L extends boolean> = {
  readonly [K in keyof C]?: C[K] extends { readonly live: L } ? Value<C[K]> : never
}

const cellOf = <A, L extends boolean>(
  schema: Schema.Schema<A, AnyEncoded>,
  initial: A,
  live: L,
  merge: ((current: DeepReadonly<A>, given: DeepReadonly<A>) => DeepReadonly<A>) | undefined
): Cell<A, L> =>
  // erasure: the type of the values is a phantom, and the engine gives each cell its own values only
  Object.freeze({ [TypeId]: TypeId, schema, initial, live, merge }) as unknown as Cell<A, L>

/**
 * A value that modules change when they complete. `schema` is how it is stored and shown, and it cannot have
 * requirements; the cell is `initial` when the run starts.
 *
 * - `merge`: makes of the value of the cell at the commit and the one that an update gave the value that the cell gets,
 *   instead of replacing it. It must be pure
 *
 * @example
 * ```ts
 * import { Shared } from "heddle"
 * import { Schema } from "effect"
 *
 * const seen = Shared.cell(Schema.Int, 0)
 * const best = Shared.cell(Schema.Number, 0, { merge: Math.max })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const cell = <A>(
  schema: Schema.Schema<A, AnyEncoded>,
  initial: NoInfer<A>,
  options: {
    readonly merge?: (current: DeepReadonly<NoInfer<A>>, given: DeepReadonly<NoInfer<A>>) => DeepReadonly<NoInfer<A>>
  } = {}
): Cell<A, false> => cellOf<A, false>(schema, initial, false, options.merge)

/**
 * A value that changes at once, for counters that others watch: its updates do not wait for the module to complete and
 * are not undone when it fails, so an attempt that is made again updates it again: at least once.
 *
 * @example
 * ```ts
 * import { Shared } from "heddle"
 * import { Schema } from "effect"
 *
 * const ticks = Shared.live(Schema.Int, 0)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const live = <A>(schema: Schema.Schema<A, AnyEncoded>, initial: NoInfer<A>): Cell<A, true> =>
  cellOf<A, true>(schema, initial, true, undefined)

/**
 * A group of cells. Who uses it requires it (`Use`), and the Dag that lists it in `shared` provides it: a group that is
 * not listed is a compile error that names it. Each run has its own values.
 *
 * @example
 * ```ts
 * import { Dag, Module, Shared } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const stats = Shared.make("stats", { seen: Shared.cell(Schema.Int, 0), ticks: Shared.live(Schema.Int, 0) })
 * const count = Module.make("count", {
 *   output: Schema.Void,
 *   run: () => Shared.update(stats, ({ seen }) => ({ seen: seen + 1 }))
 * })
 * const total = Module.make("total", {
 *   needs: { count },
 *   output: Schema.Int,
 *   run: () =>
 *     Effect.zipRight(
 *       Shared.updateLive(stats, ({ ticks }) => ({ ticks: ticks + 1 })),
 *       Shared.get(stats, "seen")
 *     )
 * })
 * const Counting = Dag.make("counting", { outputs: { total }, shared: [stats] })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const Name extends string, const C extends Cells>(name: Name, cells: C): Group<Name, C> =>
  // under the type id is a phantom: nothing ever reads a value there
  Object.freeze({ [TypeId]: TypeId as never, name, cells: Object.freeze({ ...cells }) })

/**
 * The value of a cell as it was committed last, with the module's own updates; of a live cell, as it is now. To change
 * it use `update`, which cannot lose what another module did in between.
 *
 * It fails with `ModuleEnded` when its module has ended, in a fiber that outlives it. The constructors of modules take
 * that error out, because what a module itself does cannot meet it.
 *
 * @example
 * ```ts
 * import { Shared } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const stats = Shared.make("stats", { seen: Shared.cell(Schema.Int, 0) })
 * const isFirst = Effect.map(Shared.get(stats, "seen"), (seen) => seen === 0)
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const get = <Name extends string, C extends Cells, K extends keyof C & string>(
  group: Group<Name, C>,
  key: K
): Effect.Effect<Value<C[K]>, ModuleEnded, CurrentModule | Use<Name, C>> =>
  // a cell holds what its schema decoded or `f` gave
  Effect.flatMap(CurrentModule, (module) => module.get(group.name, key)) as Effect.Effect<
    Value<C[K]>,
    ModuleEnded,
    CurrentModule
  >

/**
 * Changes cells when the module completes (in a map, when the item does): `f` is given the values of all cells that are
 * not live and gives new values for some of them.
 *
 * All updates of a module take effect together, with its completion, in one transaction: another module sees all of
 * them or none, and they are stored in the batch of the completion. They are applied again, in their order, to what the
 * cells are then, so no update is lost: `f` must be pure, and may be called several times. An attempt that fails, is
 * retried or is cut off leaves no trace. Until then only the module itself sees them, through `get`.
 *
 * Of a cell with `merge`, what `f` gives is merged into the value that the cell has at the commit instead of replacing
 * it.
 *
 * It fails with `ModuleEnded` as `get` does.
 *
 * @example
 * ```ts
 * import { Shared } from "heddle"
 * import { Schema } from "effect"
 *
 * const account = Shared.make("account", {
 *   cents: Shared.cell(Schema.Int, 0),
 *   log: Shared.cell(Schema.Array(Schema.String), [])
 * })
 * const deposit = (cents: number) =>
 *   Shared.update(account, (now) => ({ cents: now.cents + cents, log: [...now.log, `+${cents}`] }))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const update = <Name extends string, C extends Cells>(
  group: Group<Name, C>,
  f: (cells: Staged<C>) => Changes<C, false>
): Effect.Effect<void, ModuleEnded, CurrentModule | Use<Name, C>> =>
  // erasure: the engine calls `f` with the values of exactly these cells
  Effect.flatMap(CurrentModule, (module) => module.update(group.name, f as never))

/**
 * Changes live cells at once, in one transaction, whatever becomes of the module: at least once. `f` is given the
 * values of all live cells and gives new values for some of them; it must be pure, and may be called several times.
 *
 * It fails with `ModuleEnded` as `get` does.
 *
 * @example
 * ```ts
 * import { Shared } from "heddle"
 * import { Schema } from "effect"
 *
 * const stats = Shared.make("stats", { ticks: Shared.live(Schema.Int, 0) })
 * const tick = Shared.updateLive(stats, ({ ticks }) => ({ ticks: ticks + 1 }))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const updateLive = <Name extends string, C extends Cells>(
  group: Group<Name, C>,
  f: (cells: Live<C>) => Changes<C, true>
): Effect.Effect<void, ModuleEnded, CurrentModule | Use<Name, C>> =>
  // erasure, as in `update`
  Effect.flatMap(CurrentModule, (module) => module.updateLive(group.name, f as never))
