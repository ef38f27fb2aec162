/** Runs that modules of other runs begin. */
import * as Schema from "effect/Schema"
import type { Attempt } from "../../dag/CurrentModule.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { RunId } from "../../model/RunId.js"

/** How many hexadecimal digits keep two ids apart whose readable parts are the same. */
const digits = 16

/** The longest readable part. */
const room = 256 - 1 - digits

const isRunId = Schema.is(RunId)

/**
 * The id of the run that a module begins: the same for every attempt of it, also after a crash, and different from that of
 * every other module, item and node.
 */
export const idOf = ({ index, path, runId }: Pick<Attempt, "runId" | "path" | "index">, node: string): RunId => {
  const hash = CanonicalJson.hash(JSON.stringify([runId, path, index ?? null, node]))
  const readable = `${runId}/${path}${index === undefined ? "" : `/${index}`}`
  // of what is too long the end says most
  const kept = readable.length <= room ? readable : readable.slice(-room)
  const id = `${kept}#${hash.slice(0, digits)}`
  // a cut may have been in the middle of a character
  return isRunId(id) ? id : RunId.make(hash)
}
