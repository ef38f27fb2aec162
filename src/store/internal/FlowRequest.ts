/**
 * Which requests a `FlowStore` takes: the same ones on every backend. Each check fails with a `StoreError` (`failed`) that
 * names what is wrong, and a store makes it before anything else.
 */
import { isWellFormed } from "../../model/CanonicalJson.js"
import { FlowStatus } from "../../model/Flow.js"
import type { FlowChange, FlowFilter, LogFilter } from "../FlowStore.js"
import { type Fault, faultOfName, faultOfPrefix, shown, unless } from "./PlainText.js"

const statuses: ReadonlyArray<string> = FlowStatus.literals

const faultOfNumber = (what: string, number: number, least: 0 | 1): Fault =>
  Number.isSafeInteger(number) && number >= least
    ? undefined
    : `the ${what} is ${number}: give a whole number of at least ${least}`

const faultOfText = (what: string, text: string): Fault =>
  isWellFormed(text) ? undefined : `the ${what} has a lone surrogate: use well-formed text`

const faultOfStatus = (what: string, status: string): Fault =>
  statuses.includes(status) ? undefined : `the ${what} is ${shown(status)}: it is one of ${statuses.join(", ")}`

/** For messages. */
export const named = ({ name, version }: { readonly name: string; readonly version: string }): string =>
  `the flow ${shown(name)} ${shown(version)}`

const faultOfFlow = ({ name, version }: { readonly name: string; readonly version: string }): Fault =>
  faultOfName("name of a flow", name) ?? faultOfName(`version of the flow ${shown(name)}`, version)

const faultOfChange = (change: FlowChange): Fault => {
  const fault = faultOfFlow(change)
  if (fault !== undefined) return fault
  const of = `of ${named(change)}`
  return (
    faultOfText(`fingerprint ${of}`, change.fingerprint) ??
    faultOfStatus(`status ${of}`, change.status) ??
    faultOfNumber(`revision ${of}`, change.revision, 1) ??
    (change.text === null ? undefined : faultOfText(`text ${of}`, change.text)) ??
    (Number.isFinite(change.at)
      ? undefined
      : `the time of the change ${of} is ${change.at}: give milliseconds since the epoch`) ??
    faultOfText(`actor of the change ${of}`, change.actor) ??
    faultOfText(`reason of the change ${of}`, change.reason) ??
    faultOfText(`action of the change ${of}`, change.action)
  )
}

export const faultOfChanges = (changes: ReadonlyArray<FlowChange>): Fault => {
  if (changes.length === 0) return "there are no changes: give at least one"
  const seen = new Set<string>()
  for (const change of changes) {
    const fault = faultOfChange(change)
    if (fault !== undefined) return fault
    const before = seen.size
    if (seen.add(JSON.stringify([change.name, change.version])).size === before) {
      return `${named(change)} is there twice: make one change of it`
    }
  }
  return undefined
}

/** The checks of a store, by the method that makes them. */
export const make = (location: string) => ({
  write: (changes: ReadonlyArray<FlowChange>) => unless(location, "write", () => faultOfChanges(changes)),

  get: (name: string, version: string) => unless(location, "get", () => faultOfFlow({ name, version })),

  list: ({ after, fingerprint, limit, name, status }: FlowFilter) =>
    unless(
      location,
      "list",
      () =>
        (name === undefined ? undefined : faultOfName("name of a flow", name)) ??
        (fingerprint === undefined ? undefined : faultOfText("fingerprint", fingerprint)) ??
        (status === undefined ? undefined : faultOfStatus("status", status)) ??
        (after === undefined
          ? undefined
          : (faultOfPrefix("name after which to list", after.name) ??
            faultOfPrefix("version after which to list", after.version))) ??
        faultOfNumber("limit", limit, 0)
    ),

  log: ({ after, limit, name, version }: LogFilter) =>
    unless(
      location,
      "log",
      () =>
        (name === undefined ? undefined : faultOfName("name of a flow", name)) ??
        (version === undefined ? undefined : faultOfName("version of a flow", version)) ??
        faultOfNumber("position after which to read", after, 0) ??
        faultOfNumber("limit", limit, 0)
    )
})
