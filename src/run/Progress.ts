/**
 * The progress of a run on a terminal or in a log.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as RunSnapshot from "../model/RunSnapshot.js"
import type { Transition } from "../model/Transition.js"
import * as Wait from "../model/Wait.js"
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
export interface Options {
  readonly label?: string
}

/**
 * An output of Node, such as `process.stderr`, which keeps what a program prints apart from its progress.
 *
 * @example
 * ```ts
 * import { Progress } from "heddle"
 *
 * const output = Progress.fromWriteStream(process.stderr)
 * ```
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

const printable = (text: string): string => text.replace(unprintable, "?")

/** Which characters beyond Latin take two columns depends on the terminal, so all of them are taken to. */
const widthOf = (character: string): number => ((character.codePointAt(0) ?? 0) < 0x300 ? 1 : 2)

const width = (text: string): number => {
  let columns = 0
  for (const character of text) columns += widthOf(character)
  return columns
}

/** As much of the text as fits; where something is missing it ends with dots. */
const fit = (text: string, columns: number): string => {
  let used = 0
  let kept = ""
  let shortened = ""
  for (const character of text) {
    used += widthOf(character)
    if (used > columns) return columns < 3 ? kept : shortened + "..."
    kept += character
    if (used <= columns - 3) shortened = kept
  }
  return text
}

/** As many of the names as fit, and how many there are besides. */
const fitNames = (names: ReadonlyArray<string>, columns: number): string => {
  const rest = (shown: number) => (shown < names.length ? ` +${names.length - shown}` : "")
  const [first] = names
  if (first === undefined) return ""
  let text = fit(first, columns - rest(1).length)
  let shown = 1
  for (; shown < names.length; shown++) {
    const longer = `${text}, ${names[shown]}`
    if (width(longer) + rest(shown + 1).length > columns) break
    text = longer
  }
  return text + rest(shown)
}

const barWidth = 24

const bar = (done: number, total: number): string => {
  const filled = total === 0 ? barWidth : Math.floor((barWidth * done) / total)
  return `[${"#".repeat(filled)}${".".repeat(barWidth - filled)}]`
}

const duration = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  const minutes = Math.floor(seconds / 60)
  if (minutes === 0) return `${seconds}s`
  return minutes < 60 ? `${minutes}m ${seconds % 60}s` : `${Math.floor(minutes / 60)}h ${minutes % 60}m`
}

type Counts = ReturnType<typeof RunSnapshot.counts>

const doneOf = ({ cancelled, completed, failed, skipped }: Counts): number => completed + failed + skipped + cancelled

/** How many modules have ended, and how many of them in another way than they should. */
const numbers = (counts: Counts, total: number): string =>
  (["failed", "skipped", "cancelled"] as const)
    .filter((status) => counts[status] > 0)
    .reduce((text, status) => `${text}, ${counts[status]} ${status}`, `${doneOf(counts)}/${total}`)

/** The names of the running modules, the longest running first. */
const runningOf = (snapshot: RunSnapshot.RunSnapshot): ReadonlyArray<string> =>
  Array.from(snapshot.modules)
    .filter(([, { status }]) => status === "running")
    .sort(([a, x], [b, y]) => (x.startedAt ?? 0) - (y.startedAt ?? 0) || (a < b ? -1 : 1))
    .map(([name]) => printable(name))

interface Timing {
  readonly label?: string | undefined
  readonly since?: number
}

const labelOf = (snapshot: RunSnapshot.RunSnapshot, { label }: Timing) => printable(label ?? snapshot.dag)

const elapsed = (snapshot: RunSnapshot.RunSnapshot, now: number, { since = snapshot.startedAt }: Timing) =>
  duration((snapshot.finishedAt ?? now) - since)

/** `ending` stands where the names of running modules would. */
const terminalLine = (
  snapshot: RunSnapshot.RunSnapshot,
  columns: number,
  now: number,
  timing: Timing,
  ending: string | undefined
): string => {
  const counts = RunSnapshot.counts(snapshot)
  const state = `${numbers(counts, snapshot.total)}  ${elapsed(snapshot, now, timing)}`
  const withBar = `${bar(doneOf(counts), snapshot.total)} ${state}`
  const label = fit(labelOf(snapshot, timing), Math.floor(columns / 3))
  // where it is narrow the numbers matter most
  const head = [`${label} ${withBar}`, withBar].find((text) => width(text) <= columns) ?? fit(state, columns)
  const left = columns - width(head) - 2
  const tail = left < 8 ? "" : ending === undefined ? fitNames(runningOf(snapshot), left) : fit(ending, left)
  return tail === "" ? head : `${head}  ${tail}`
}

/**
 * A run on one line of a terminal, never wider than `columns`: its label (the name of its Dag), a bar, how many of its
 * modules have ended, the time from `since` (the start of the run) to `now`, and which modules are running, the longest
 * first; of a run that does not run, how it ended or that it is suspended. What is too long is cut, and what could move
 * the cursor is replaced.
 *
 * @example
 * ```ts
 * import { Engine, Progress, RunId } from "heddle"
 * import { Clock, Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const run = yield* Engine.get(RunId.make("order-42"))
 *   return Progress.line(run, 80, yield* Clock.currentTimeMillis, { label: "order 42" })
 * })
 * ```
 *
 * @since 0.1.0
 * @category rendering
 */
export const line = (
  snapshot: RunSnapshot.RunSnapshot,
  columns: number,
  now: number,
  options: Options & { readonly since?: number } = {}
): string => terminalLine(snapshot, columns, now, options, snapshot.status === "running" ? undefined : snapshot.status)

const logLine = (
  snapshot: RunSnapshot.RunSnapshot,
  now: number,
  timing: Timing,
  ending: string | undefined
): string => {
  const counts = RunSnapshot.counts(snapshot)
  const state = ending ?? `${counts.running} running`
  return `${labelOf(snapshot, timing)}: ${numbers(counts, snapshot.total)}, ${state}, ${elapsed(snapshot, now, timing)}\n`
}

const evolve = (snapshot: RunSnapshot.RunSnapshot, change: RunSnapshot.RunSnapshot | Transition) =>
  // a snapshot comes first, and again where this viewer fell behind
  change._tag === "RunSnapshot" ? change : RunSnapshot.evolve(snapshot, change)

/** One way of showing a run. The stream of a run that is cut off ends while the run is still `running`. */
interface View {
  /** Milliseconds. */
  readonly every: number
  readonly state: (snapshot: RunSnapshot.RunSnapshot) => Effect.Effect<void>
  readonly end: (snapshot: RunSnapshot.RunSnapshot) => Effect.Effect<void>
  readonly interrupted: Effect.Effect<void>
}

const endingOf = ({ status }: RunSnapshot.RunSnapshot) => (status === "running" ? "cut off" : status)

const onTerminal = (output: Output, timing: Timing): Effect.Effect<View> =>
  Effect.map(Ref.make(""), (drawn) => {
    const draw = (snapshot: RunSnapshot.RunSnapshot, ending: string | undefined, after: string) =>
      Effect.gen(function* () {
        // the last column stays free: on some terminals the cursor would go on to the next line
        const columns = (output.columns || 80) - 1
        const text = terminalLine(snapshot, columns, yield* Clock.currentTimeMillis, timing, ending) + after
        if ((yield* Ref.getAndSet(drawn, text)) !== text) yield* output.write(`\r\u001b[2K${text}`)
      })
    return {
      every: 100,
      state: (snapshot) => draw(snapshot, undefined, ""),
      end: (snapshot) => Effect.uninterruptible(draw(snapshot, endingOf(snapshot), "\n")),
      interrupted: Effect.flatMap(Ref.get(drawn), (text) =>
        text === "" || text.endsWith("\n") ? Effect.void : output.write("\n")
      )
    }
  })

const inLog = (output: Output, timing: Timing): Effect.Effect<View> =>
  Effect.map(Ref.make(-1), (reported) => {
    const write = (snapshot: RunSnapshot.RunSnapshot, ending?: string) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => output.write(logLine(snapshot, now, timing, ending)))
    return {
      every: 1000,
      state: (snapshot) =>
        Effect.gen(function* () {
          const done = doneOf(RunSnapshot.counts(snapshot))
          if ((yield* Ref.getAndSet(reported, done)) !== done) yield* write(snapshot)
        }),
      end: (snapshot) => write(snapshot, endingOf(snapshot)),
      interrupted: Effect.void
    }
  })

/**
 * Shows a run until it ends: on a terminal one line, drawn at most ten times a second; elsewhere a line at the start, one
 * a second while modules end, and one at the end. It never holds the run up, and fails neither when the run does: what
 * became of the run is in `Handle.await`. The time of a resumed run counts from this call.
 *
 * **Interruption**: of the showing only. The line of a terminal is finished, so that what is printed next begins a new
 * one.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Module, Progress } from "heddle"
 * import { Effect } from "effect"
 *
 * const one = Module.pure("one", { run: () => 1 })
 *
 * const program = Effect.gen(function* () {
 *   const handle = yield* Engine.start(Dag.make("ones", { outputs: { one } }), {})
 *   yield* Progress.render(handle, Progress.fromWriteStream(process.stderr))
 *   return yield* handle.await
 * })
 * ```
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (handle: Handle<unknown, unknown>, output: Output, options: Options = {}): Effect.Effect<void> =>
  Effect.gen(function* () {
    const first = yield* handle.snapshot
    const began = yield* Clock.currentTimeMillis
    const resumed = first.epoch > 1 && first.finishedAt === undefined
    const timing: Timing = { label: options.label, since: resumed ? began : first.startedAt }
    const latest = yield* Ref.make(first)
    const follow = Stream.runForEachChunk(handle.changes, (changes) =>
      Ref.update(latest, (snapshot) => Chunk.reduce(changes, snapshot, evolve))
    )
    const view = yield* output.interactive ? onTerminal(output, timing) : inLog(output, timing)
    const state = Effect.flatMap(Ref.get(latest), (snapshot) =>
      snapshot.status === "running" ? view.state(snapshot) : Effect.void
    )
    const show = (following: Fiber.Fiber<void>) =>
      Effect.repeat(Effect.zipRight(state, Wait.atMost(Fiber.join(following), view.every)), { while: Option.isNone })
    yield* Effect.scoped(Effect.flatMap(Effect.forkScoped(follow), show)).pipe(
      Effect.zipRight(Effect.flatMap(Ref.get(latest), view.end)),
      Effect.onInterrupt(() => view.interrupted)
    )
  })
