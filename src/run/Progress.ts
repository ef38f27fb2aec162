/**
 * The progress of a run on a terminal or in a log.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as RunSnapshot from "../model/RunSnapshot.js"
import type { Transition } from "../model/Transition.js"
import type { Handle } from "./Handle.js"

/**
 * Where progress is written.
 *
 * - `interactive`: a terminal, on which one line is drawn again and again; anything else gets whole lines
 * - `columns`: the width of the terminal, read at every redraw; 80 when it is not known
 *
 * @since 0.1.0
 * @category models
 */
export interface Output {
  readonly write: (text: string) => Effect.Effect<void>
  readonly interactive: boolean
  readonly columns?: number | undefined
}

/**
 * - `label`: what the run is called on the line; the name of its Dag by default
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends Output {
  readonly label?: string
}

/**
 * An output of Node, such as `process.stderr`, which keeps what a program prints apart from its progress.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromWriteStream = (stream: {
  readonly write: (text: string) => unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}): Output => ({
  write: (text) => Effect.sync(() => void stream.write(text)),
  interactive: stream.isTTY === true,
  // it changes with the size of the window
  get columns() {
    return stream.columns
  }
})

/** What would move the cursor, break the line, change the direction of text, or is half of a surrogate pair. */
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

const printable = (text: string) => text.replace(unprintable, "?")

/** Columns of a character: which of those outside of Latin take two depends on the terminal, so all are taken to. */
const widthOf = (character: string) => ((character.codePointAt(0) ?? 0) < 0x300 ? 1 : 2)

/** As much of the text as fits; where something is missing it ends with dots. */
const fit = (text: string, columns: number): string => {
  let width = 0
  let kept = ""
  let short = ""
  for (const character of text) {
    width += widthOf(character)
    if (width > columns) return columns < 3 ? kept : short + "..."
    kept += character
    if (width <= columns - 3) short = kept
  }
  return text
}

const barWidth = 24

const bar = (done: number, total: number): string => {
  const filled = total === 0 ? barWidth : Math.floor((barWidth * done) / total)
  return `[${"#".repeat(filled)}${".".repeat(barWidth - filled)}]`
}

const time = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes}m ${seconds % 60}s` : `${Math.floor(minutes / 60)}h ${minutes % 60}m`
}

interface View {
  readonly label: string
  /** When the time on the line began. */
  readonly since: number
}

const viewOf = (snapshot: RunSnapshot.RunSnapshot, options: Partial<View>): View => ({
  label: printable(options.label ?? snapshot.dag),
  since: options.since ?? snapshot.startedAt
})

const doneOf = (counts: ReturnType<typeof RunSnapshot.counts>) =>
  counts.completed + counts.failed + counts.skipped + counts.cancelled

/** What is worth a word, and how much of it. */
const problems = ({ cancelled, failed, skipped }: ReturnType<typeof RunSnapshot.counts>): string =>
  [
    [failed, "failed"],
    [skipped, "skipped"],
    [cancelled, "cancelled"]
  ]
    .filter(([count]) => count !== 0)
    .map(([count, status]) => `, ${count} ${status}`)
    .join("")

const runningNames = (snapshot: RunSnapshot.RunSnapshot): ReadonlyArray<string> => {
  const names: Array<readonly [startedAt: number, name: string]> = []
  for (const [name, { startedAt, status }] of snapshot.modules) {
    if (status === "running") names.push([startedAt ?? 0, name])
  }
  return names.sort(([a, x], [b, y]) => a - b || (x < y ? -1 : 1)).map(([, name]) => name)
}

/**
 * The state of a run on one line of a terminal, never wider than `columns`: its label, a bar, how many of its modules
 * have ended, the time from `since` (by default the start of the run) to `now`, and the names of those that run, the
 * oldest first. What gets too long is cut; what could move the cursor is replaced.
 *
 * @since 0.1.0
 * @category rendering
 */
export const line = (
  snapshot: RunSnapshot.RunSnapshot,
  columns: number,
  now: number,
  options: { readonly label?: string; readonly since?: number } = {}
): string => {
  const { label, since } = viewOf(snapshot, options)
  const counts = RunSnapshot.counts(snapshot)
  const done = doneOf(counts)
  const numbers = `${done}/${snapshot.total}${problems(counts)}  ${time((snapshot.finishedAt ?? now) - since)}`
  // on a narrow terminal the numbers matter most
  const head = `${bar(done, snapshot.total)} ${numbers}`
  const labelled = `${fit(label, 30)} ${head}`
  const first = [labelled, head].find((text) => text.length + label.length <= columns) ?? numbers
  const names = runningNames(snapshot)
  const more = names.length > 3 ? ` +${names.length - 3}` : ""
  return fit([first, names.slice(0, 3).map(printable).join(", ") + more].join("  ").trimEnd(), columns)
}
