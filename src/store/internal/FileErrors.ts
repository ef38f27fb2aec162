/**
 * Errors of the file system as the error of the store.
 */
import { StoreError } from "../../model/StoreError.js"

type Reason = StoreError["reason"]

const known: { readonly [code: string]: readonly [reason: Reason, hint: string] } = {
  ENOSPC: ["full", "no space is left: make room and try again"],
  EDQUOT: ["full", "the quota is used up: make room and try again"],
  EMFILE: ["unavailable", "the process has too many files open; trying again helps"],
  ENFILE: ["unavailable", "the system has too many files open; trying again helps"],
  EACCES: ["failed", "this process must be allowed to read and write the folder and its files"],
  EPERM: ["failed", "this process must be allowed to read and write the folder and its files"],
  EROFS: ["failed", "the file system is read-only: choose another folder"],
  ENOTDIR: ["foreign", "it is not a folder: choose another one"],
  EEXIST: ["foreign", "it is not a folder: choose another one"],
  EIO: ["failed", "the disk could not be read or written"]
}

/** The code of a failure, such as `ENOENT`; empty when it has none. */
export const code = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string" ? cause.code : ""

export const fromUnknown =
  (location: string, operation: string) =>
  (cause: unknown): StoreError => {
    if (cause instanceof StoreError) return cause
    const [reason, hint] = known[code(cause)] ?? ["failed" as const, undefined]
    const text = cause instanceof Error ? cause.message : String(cause)
    return new StoreError({
      reason,
      location,
      operation,
      message: `${location}: ${text}${hint === undefined ? "" : `; ${hint}`}`,
      cause
    })
  }

export const make = (reason: Reason, location: string, operation: string, message: string): StoreError =>
  new StoreError({ reason, location, operation, message })
