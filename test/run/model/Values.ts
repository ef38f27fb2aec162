/** What the modules of random graphs give, and what they add to shared cells. */
import { Cause, Exit, Option } from "effect"
import * as RandomGraph from "./RandomGraph.js"
import type { EffectVertex, MapVertex, Vertex } from "./RandomGraph.js"

const mix = (a: number, b: number) => (a * 31 + b) % 1_000_003

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null

/** A value as plain data; of errors it has the tags. */
export const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (Option.isOption(value)) return Option.isSome(value) ? { some: plain(value.value) } : "none"
  if (Exit.isExit(value)) {
    if (Exit.isSuccess(value)) return { success: plain(value.value) }
    const error: unknown = Option.getOrUndefined(Cause.failureOption(value.cause))
    return { failure: isRecord(error) ? error._tag : "unknown" }
  }
  if (value === undefined) return "undefined"
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, plain(value[key])])
  )
}

export const digest = (value: unknown): number => {
  const text = typeof value === "string" ? value : JSON.stringify(plain(value))
  let sum = 17
  for (let i = 0; i < text.length; i++) sum = mix(sum, text.charCodeAt(i))
  return sum
}

export type Values = { readonly [key: string]: unknown }

/**
 * What a vertex gives. That of `anySucceeded` does not depend on its needs, since which of them is there first is chance;
 * nor, in a `blind` graph, that of `always`.
 */
export const of = (vertex: Vertex, index: number, needs: Values, blind: boolean): number => {
  const join = RandomGraph.joinOf(vertex)
  const independent =
    join === "anySucceeded" ||
    (blind && join === "always") ||
    (vertex.kind === "effect" && vertex.atMostOnce && RandomGraph.onFailureOf(vertex) === "fallback")
  return mix(index + 1, independent ? 0 : digest(needs))
}

/** What it gives in place of a failure: the same where it is chance whether it was cut off. */
export const ofFallback = (vertex: EffectVertex, index: number) =>
  vertex.atMostOnce ? of(vertex, index, {}, true) : 500 + index

export const ofSignal = (path: string) => 100 + digest(path)
export const ofTimeout = 99
export const itemsOf = ({ items }: MapVertex, needs: Values): ReadonlyArray<number> =>
  items.map((_, index) => mix(digest(needs), index))
export const ofItem = (item: number, index: number) => mix(item, index)

/** What it adds to the shared cells. */
export const amountOf = (path: string, index: number | undefined) => 1 + (digest(`${path}#${index}`) % 50)
