/**
 * The name of one run.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Names one execution of a Dag; the caller chooses it, so that starting the same work twice finds the first.
 * 1 to 256 UTF-16 code units, well-formed and without control characters. `RunId.make` throws a `ParseError` for anything else.
 *
 * @example
 * ```ts
 * import { RunId } from "heddle"
 *
 * const id = RunId.make("order-42")
 * ```
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunId = Schema.String.pipe(
  Schema.minLength(1),
  Schema.maxLength(256),
  // eslint-disable-next-line no-control-regex -- control characters are what it refuses
  Schema.pattern(/^[^\u0000-\u001f\u007f\p{Surrogate}]*$/u),
  Schema.brand("RunId"),
  Schema.annotations({ identifier: "RunId" })
)

/**
 * @since 0.1.0
 * @category models
 */
export type RunId = typeof RunId.Type
