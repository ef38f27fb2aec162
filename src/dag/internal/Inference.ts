/** How the constructors steer inference. */

/**
 * Blocks inference from the contextual return type: without it a module that is written inline
 * (`outputs: { a: Module.pure(...) }`) takes `unknown` for every parameter that no option fills. Unlike `NoInfer` it
 * disappears from the inferred type.
 */
// `any` only asks whether the conditional distributes; it reaches no signature
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Own<A> = [A][A extends any ? 0 : never]

/** Any encoded side: `Schema` is invariant in it, so that `unknown` would refuse every schema. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyEncoded = any
