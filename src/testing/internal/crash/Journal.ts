/**
 * What a child writes down: the points that it passes and what its program notes. Synchronous, all of it: when a line is
 * appended the kernel has it, whatever becomes of the process.
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Effect from "effect/Effect"
import * as GlobalValue from "effect/GlobalValue"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"

const Before = Schema.TaggedStruct("Before", { point: Schema.Int, operation: Schema.String })
const After = Schema.TaggedStruct("After", { point: Schema.Int, operation: Schema.String })
const Note = Schema.TaggedStruct("Note", { point: Schema.Int, text: Schema.String })

const Entry = Schema.Union(Before, After, Note)

/**
 * What a child wrote down.
 *
 * - `Before`, `After`: it came to a write of its store, which are counted from 1, and that write was made; `operation` is
 *   the method of the store
 * - `Note`: what its program noted, counted from 1 too
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = typeof Entry.Type

/** The entry after which the process ends. */
interface Kill {
  readonly tag: Entry["_tag"]
  readonly point: number
}

export interface Settings {
  readonly file: Option.Option<string>
  readonly kill: Option.Option<Kill>
}

/** How the parent names the variables of `settings`. */
export const variables = { kill: "HEDDLE_CRASH", file: "HEDDLE_CRASH_JOURNAL" }

const tags = { before: "Before", after: "After", note: "Note" } as const

const parseKill = (text: string): Either.Either<Kill, ConfigError.ConfigError> => {
  const [, moment, point] = /^(before|after|note):([1-9]\d*)$/.exec(text) ?? []
  return moment === undefined
    ? Either.left(ConfigError.InvalidData([variables.kill], `Expected before:17, after:17 or note:17, not ${text}`))
    : // the expression lets nothing else through
      Either.right({ tag: tags[moment as keyof typeof tags], point: Number(point) })
}

export const settings: Config.Config<Settings> = Config.all({
  file: Config.option(Config.string(variables.file)),
  kill: Config.option(Config.mapOrFail(Config.string(variables.kill), parseKill))
})

/** Of the process, as it is the process that dies: a program may build its layers more than once. */
const counts = GlobalValue.globalValue("heddle/testing/CrashExplorer/counts", () =>
  Ref.unsafeMake({ writes: 0, notes: 0 })
)

export const nextWrite: Effect.Effect<number> = Effect.map(
  Ref.updateAndGet(counts, ({ notes, writes }) => ({ notes, writes: writes + 1 })),
  ({ writes }) => writes
)

export const nextNote: Effect.Effect<number> = Effect.map(
  Ref.updateAndGet(counts, ({ notes, writes }) => ({ notes: notes + 1, writes })),
  ({ notes }) => notes
)

/** Appends the entry; when it is the one to die after, nothing of this process runs any more. */
export const record = ({ file, kill }: Settings, entry: Entry): Effect.Effect<void> =>
  Effect.sync(() => {
    if (Option.isSome(file)) Fs.appendFileSync(file.value, `${JSON.stringify(entry)}\n`)
    const isLast = Option.exists(kill, ({ point, tag }) => tag === entry._tag && point === entry.point)
    if (isLast) process.kill(process.pid, "SIGKILL")
  })

const decode = Schema.decodeSync(Schema.parseJson(Entry))

/** The whole lines of a journal; empty when there is none. */
export const read = (file: string): Effect.Effect<ReadonlyArray<Entry>> =>
  Effect.sync(() =>
    Fs.existsSync(file)
      ? Fs.readFileSync(file, "utf8")
          .split("\n")
          .slice(0, -1)
          .map((line) => decode(line))
      : []
  )
