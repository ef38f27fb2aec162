import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { InputInvalid, StoredValueInvalid, type Fault } from "../../model/RunError.js"
import type { RunId } from "../../model/RunId.js"
import type { Plan } from "../../plan/Plan.js"
import * as Values from "./Values.js"

/** The inputs of a run: their values by position in the plan, and what is stored of them. */
export interface Inputs {
  readonly values: ReadonlyMap<number, unknown>
  readonly text: string
}

/**
 * Passes the given inputs through their schemas. All faults of all inputs are reported at once: values that do not
 * encode, inputs that are missing, and keys that the Dag does not have.
 */
export const encode = (
  plan: Plan,
  given: unknown,
  alwaysDecode = false
): Effect.Effect<Inputs, InputInvalid, unknown> =>
  Effect.gen(function* () {
    const faults: Array<Fault> = []
    const values = new Map<number, unknown>()
    const texts: Array<readonly [string, string | null]> = []
    const record = isRecord(given) ? given : {}
    if (!isRecord(given)) faults.push({ path: [], message: "the inputs are not a record" })
    const unknown = new Set(Object.keys(record))
    for (const [index, { definition, name }] of plan.modules.entries()) {
      if (definition.kind !== "input") continue
      unknown.delete(name)
      const value = Object.hasOwn(record, name) ? record[name] : undefined
      const encoded = yield* Effect.either(Values.settle(definition.schema, value, alwaysDecode))
      if (Either.isRight(encoded)) {
        values.set(index, encoded.right.value)
        texts.push([name, encoded.right.text])
      } else if (Object.hasOwn(record, name)) {
        for (const { message, path } of encoded.left.faults) faults.push({ path: [name, ...path], message })
      } else faults.push({ path: [name], message: "is missing" })
    }
    for (const key of unknown) faults.push({ path: [key], message: "is not an input of this Dag" })
    if (faults.length > 0) return yield* new InputInvalid({ dag: plan.dag, faults })
    // JSON texts inside a JSON text: what each schema encoded is compared and decoded as it was
    return { values, text: Either.getOrThrow(CanonicalJson.stringify(Object.fromEntries(texts))) }
  })

/** The values of stored inputs. */
export const decode = (
  plan: Plan,
  runId: RunId,
  text: string
): Effect.Effect<ReadonlyMap<number, unknown>, StoredValueInvalid, unknown> =>
  Effect.gen(function* () {
    // written by `encode`
    const texts = JSON.parse(text) as { readonly [name: string]: string | null }
    const values = new Map<number, unknown>()
    for (const [index, { definition, name }] of plan.modules.entries()) {
      if (definition.kind !== "input") continue
      const value = yield* Effect.mapError(
        Values.decode(definition.schema, texts[name] ?? null),
        (faults) => new StoredValueInvalid({ runId, module: name, faults })
      )
      values.set(index, value)
    }
    return values
  })

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)
