/** What is seen of a run from inside of its modules and from its store, and what must not be seen. */
import type { RunStore } from "heddle"
import type { Trace } from "./GraphDag.js"
import * as RandomGraph from "./RandomGraph.js"
import type { Vertex } from "./RandomGraph.js"

export interface Witness {
  readonly trace: Trace
  readonly committed: (changes: RunStore.RunChanges) => void
  /** What was not committed is gone. */
  readonly crashed: () => void
  /** A run that had ended is resumed. */
  readonly reopened: () => void
  readonly violations: Array<string>
  /** The modules that added to a live cell. */
  readonly ticked: ReadonlySet<string>
}

export interface Bounds {
  readonly concurrency: number
  readonly gate: number
  /** The modules that end the run. */
  readonly stoppers: ReadonlyArray<string>
}

const isGated = (vertex: Vertex) => (vertex.kind === "effect" || vertex.kind === "map") && vertex.limited

/** What cleans up runs all the same; what has a timeout, or its start committed first, is running before it begins. */
const isStoppable = (vertex: Vertex) =>
  RandomGraph.joinOf(vertex) !== "always" &&
  !(vertex.kind === "effect" && (vertex.fate === "timesOut" || vertex.atMostOnce))

/** `event` is called at each start and end of a module or an item, and at each transition that is committed. */
export const make = ({ concurrency, gate, stoppers }: Bounds, event: () => void): Witness => {
  const violations: Array<string> = []
  const acknowledged = new Set<string>()
  const ticked = new Set<string>()
  const begun = new Set<string>()
  const once = new Set<string>()
  let running = 0
  let gated = 0
  let stopped = false

  return {
    violations,
    ticked,
    trace: {
      began: (path, vertex) => {
        if (acknowledged.has(path)) violations.push(`${path} was acknowledged and ran again`)
        if (vertex.kind === "effect" && vertex.atMostOnce) {
          if (once.has(path)) violations.push(`${path} ran again, and is to run at most once`)
          once.add(path)
        }
        if (stopped && !begun.has(path) && isStoppable(vertex)) {
          violations.push(`${path} began after the run was stopped`)
        }
        begun.add(path)
        // the one attempt that is made may be lost in a crash
        if (vertex.kind === "effect" && vertex.live && !vertex.atMostOnce) ticked.add(path)
        if (++running > concurrency) violations.push(`${running} run at once`)
        if (isGated(vertex) && ++gated > gate) violations.push(`${gated} run at once under the limit`)
        event()
      },
      ended: (vertex) => {
        running--
        if (isGated(vertex)) gated--
        event()
      },
      stops: () => {
        stopped = true
      }
    },
    committed: ({ items, modules, transitions }) => {
      for (const { module, status } of modules) if (status === "completed") acknowledged.add(module)
      for (const { index, module, status } of items) if (status === "completed") acknowledged.add(`${module}#${index}`)
      transitions.forEach(event)
    },
    crashed: () => {
      // what was skipped for it is committed no later than the module that stopped the run
      stopped &&= stoppers.some((path) => acknowledged.has(path))
    },
    reopened: () => {
      once.clear()
      stopped = false
    }
  }
}
