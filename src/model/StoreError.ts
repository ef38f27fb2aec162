/**
 * The error of every store.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * A store could not do what it was asked.
 *
 * - `reason`: `busy` (others had it, and nothing was done) or `unavailable` (the connection was lost, and what was asked may
 *   have been done): trying again helps; `foreign` (not a database of Heddle's), `corrupt` (damaged or not a database at
 *   all), `newer` (written by a later release), `full` (no space left), `closed` (the store's scope has ended) or
 *   `failed` (anything else: see `cause`)
 * - `location`: the file or the server; `operation`: the method of the store
 *
 * @since 0.1.0
 * @category errors
 */
export class StoreError extends Data.TaggedError("StoreError")<{
  readonly reason: "busy" | "unavailable" | "foreign" | "corrupt" | "newer" | "full" | "closed" | "failed"
  readonly location: string
  readonly operation: string
  readonly message: string
  readonly cause?: unknown
}> {}

/**
 * Whether trying again may help, without anybody doing something about it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isTransient = ({ reason }: StoreError): boolean => reason === "busy" || reason === "unavailable"
