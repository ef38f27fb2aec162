/**
 * What operations of contracts fail with.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An operation of a contract did not do what it should.
 *
 * - `part`: `input`: it has not the shape of the contract, and nothing has run. `idempotency_key`: the input makes no key,
 *   and nothing has run. `output`: it has not the shape of the contract. `success`: a condition on it is false
 * - `reason`: the faults, each with its path; or the condition
 *
 * @since 0.1.0
 * @category errors
 */
export class OperationRefused extends Schema.TaggedError<OperationRefused>("heddle/OperationRefused")(
  "OperationRefused",
  {
    operation: Schema.String,
    part: Schema.Literal("input", "idempotency_key", "output", "success"),
    reason: Schema.String
  }
) {
  override get message() {
    const at = `"${this.operation}": `
    switch (this.part) {
      case "input":
      case "output":
        return `${at}the ${this.part} has not the shape of the contract: ${this.reason}`
      case "idempotency_key":
        return `${at}the idempotency key, ${this.reason}, has no text for this input`
      case "success":
        return `${at}it did not succeed: ${this.reason} is false`
    }
  }
}
