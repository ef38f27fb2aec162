/**
 * The error of a folder of contracts that cannot be used as it is.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import type { FlowDiffers, FlowInvalid } from "../model/FlowError.js"
import type { StoreError } from "../model/StoreError.js"
import type { ContractInvalid, ContractUnreadable } from "../node/ContractFault.js"
import type { PlanInvalid } from "../plan/Plan.js"

/**
 * What is wrong with one file.
 *
 * - `Contract`: it is no contract, or the flow that it declares cannot be registered
 * - `Duplicate`: another file (`of`) has the same kind, name and version
 * - `NoVersion`: it declares a workflow, which needs a version to be a flow
 *
 * @since 0.1.0
 * @category models
 */
export type FileFault =
  | {
      readonly _tag: "Contract"
      readonly file: string
      readonly error: ContractInvalid | ContractUnreadable | PlanInvalid | FlowInvalid | FlowDiffers
    }
  | { readonly _tag: "Duplicate"; readonly file: string; readonly of: string }
  | { readonly _tag: "NoVersion"; readonly file: string }

/**
 * What is wrong with the folder itself.
 *
 * - `Unreadable`: it could not be listed
 * - `TooMany`: it has more contracts than it may
 * - `NotKept`: its flows could not be registered, since the store failed
 *
 * @since 0.1.0
 * @category models
 */
export type FolderFault =
  | { readonly _tag: "Unreadable"; readonly cause: unknown }
  | { readonly _tag: "TooMany"; readonly count: number; readonly max: number }
  | { readonly _tag: "NotKept"; readonly error: StoreError }

const told = (fault: FileFault | FolderFault): string => {
  switch (fault._tag) {
    case "Contract":
      return `${fault.file}: ${fault.error.message}`
    case "Duplicate":
      return `${fault.file}: "${fault.of}" has the same kind, name and version: remove one of them, or give it another version`
    case "NoVersion":
      return `${fault.file}: a workflow needs a version to be a flow: add one, such as version: 1.0.0`
    case "Unreadable":
      return `it could not be read: ${fault.cause instanceof Error ? fault.cause.message : String(fault.cause)}`
    case "TooMany":
      return `it has ${fault.count} contracts, and may have ${fault.max}: use several folders`
    case "NotKept":
      return `its flows could not be registered: ${fault.error.message}`
  }
}

/**
 * A folder of contracts cannot be used as it is: all that is wrong with its files or, when they are sound, the first of its flows that
 * cannot be registered. What was in force before still is.
 *
 * @since 0.1.0
 * @category errors
 */
export class FolderInvalid extends Data.TaggedError("FolderInvalid")<{
  readonly directory: string
  readonly faults: Arr.NonEmptyReadonlyArray<FileFault | FolderFault>
}> {
  constructor({ directory, faults }: Pick<FolderInvalid, "directory" | "faults">) {
    super({ directory, faults: Object.freeze(Arr.map(faults, (fault) => Object.freeze({ ...fault }))) })
  }

  override get message() {
    return `the folder "${this.directory}" cannot be used:${this.faults.map((fault) => `\n- ${told(fault)}`).join("")}`
  }
}
