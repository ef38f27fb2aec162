/** What does not fit a schema, or is not JSON, as one text. */
import type { Fault } from "../../model/RunError.js"

export const text = (faults: ReadonlyArray<Fault>): string =>
  faults
    .map(({ message, path }) => (path.length === 0 ? message : `at ${path.map(String).join(".")}: ${message}`))
    .join("; ")
