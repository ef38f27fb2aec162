/**
 * Read-only at every depth, by type.
 *
 * @since 0.1.0
 */
import type * as Pipeable from "effect/Pipeable"

type Primitive = string | number | bigint | boolean | symbol | null | undefined | void

/** Left as they are: immutable by nature or by convention (Effect's data types), or without a read-only counterpart. */
type Leaf =
  | Primitive
  | ((...args: ReadonlyArray<never>) => unknown)
  | Pipeable.Pipeable
  | Date
  | RegExp
  | URL
  | ArrayBufferLike
  | ArrayBufferView
  | PromiseLike<unknown>

type Identical<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** An interface defers its members: a recursive alias ends here. */
interface Elements<A> extends ReadonlyArray<DeepReadonly<A>> {}

/** Decided one level deep: a recursive type cannot be compared as a whole. */
type IsFlat<A> = [A[keyof A]] extends [Leaf] ? Identical<A, { readonly [K in keyof A]: A[K] }> : false

/**
 * `A` with every property, array, Map and Set read-only, at every depth. A record of plain values that is read-only
 * already comes back as itself, so that hovers keep its name. Effect's data types, functions, dates, typed arrays and
 * classes with private members stay as they are.
 *
 * @since 0.1.0
 * @category models
 */
export type DeepReadonly<A> = unknown extends A
  ? A
  : A extends Leaf
    ? A
    : A extends ReadonlyMap<infer K, infer V>
      ? ReadonlyMap<DeepReadonly<K>, DeepReadonly<V>>
      : A extends ReadonlySet<infer V>
        ? ReadonlySet<DeepReadonly<V>>
        : A extends ReadonlyArray<infer V>
          ? number extends A["length"]
            ? A extends readonly [unknown, ...ReadonlyArray<unknown>]
              ? { readonly [K in keyof A]: DeepReadonly<A[K]> }
              : Elements<V>
            : { readonly [K in keyof A]: DeepReadonly<A[K]> }
          : IsFlat<A> extends true
            ? A
            : // a class with private members is not the sum of its public ones: it stays what it is
              { [K in keyof A]: A[K] } extends A
              ? { readonly [K in keyof A]: DeepReadonly<A[K]> }
              : A
