/** What the command line asks for. */
import { Data, Duration, Either, Option } from "effect"
import { RunId } from "heddle"

export type Command =
  | { readonly name: "help" }
  | { readonly name: "start"; readonly order: RunId; readonly lines: ReadonlyArray<number> }
  | { readonly name: "approve"; readonly order: RunId; readonly approved: boolean; readonly by: string }
  | { readonly name: "work"; readonly order: RunId | undefined }
  | { readonly name: "show" | "cancel"; readonly order: RunId }

export interface Options {
  readonly database: string
  /** In cents. */
  readonly automatic: number
  readonly grace: Duration.Duration
  readonly timeout: Duration.Duration
  readonly poll: Duration.Duration
}

export interface Arguments {
  readonly command: Command
  readonly options: Options
}

const defaults: Options = {
  database: "heddle-approval.db",
  automatic: 100_00,
  grace: Duration.seconds(5),
  timeout: Duration.days(3),
  poll: Duration.seconds(1)
}

export const help = `Approves orders: small ones by a rule, large ones by a person.

Usage: npx tsx docs/examples/approval/main.ts COMMAND [options]

  start ORDER AMOUNT...      begins an order, with an amount for each line
  approve ORDER yes|no [BY]  decides
  work [ORDER]               carries orders on: until this one has ended, or until Ctrl-C
  show ORDER                 says how far it is
  cancel ORDER               cancels it

  --db FILE          where orders are kept (default: ${defaults.database})
  --automatic AMOUNT of start: up to this total nobody is asked (default: 100.00)
  --grace TIME       of start: how long it waits between approval and shipment (default: "5 seconds")
  --timeout TIME     of start and work: how long a person has to decide (default: "3 days")
  --poll TIME        of work: how soon it sees what other processes did (default: "1 second")
  --help             this text

A TIME is a number and a unit: "100 millis", "5 seconds", "3 days".
`

export class ArgumentInvalid extends Data.TaggedError("ArgumentInvalid")<{ readonly message: string }> {}

const invalid = (message: string) => Either.left(new ArgumentInvalid({ message: `${message} (--help says how)` }))

const cents = (amount: string): Either.Either<number, ArgumentInvalid> =>
  /^\d{1,9}(\.\d{1,2})?$/.test(amount) && Number(amount) > 0
    ? Either.right(Math.round(Number(amount) * 100))
    : invalid(`"${amount}" is not an amount such as 19.90`)

const time = (text: string): Either.Either<Duration.Duration, ArgumentInvalid> =>
  Option.match(Duration.decodeUnknown(text), {
    onNone: () => invalid(`"${text}" is not a time such as "5 seconds"`),
    onSome: (duration) => Either.right(duration)
  })

const setters: {
  readonly [flag: string]: (value: string) => Either.Either<Partial<Options>, ArgumentInvalid>
} = {
  "--db": (database) => Either.right({ database }),
  "--automatic": (amount) => Either.map(cents(amount), (automatic) => ({ automatic })),
  "--grace": (text) => Either.map(time(text), (grace) => ({ grace })),
  "--timeout": (text) => Either.map(time(text), (timeout) => ({ timeout })),
  "--poll": (text) => Either.map(time(text), (poll) => ({ poll }))
}

const orderOf = (name: string | undefined): Either.Either<RunId, ArgumentInvalid> =>
  name !== undefined && /^[\w.-]{1,80}$/.test(name)
    ? Either.right(RunId.make(name))
    : invalid(name === undefined ? "name an order" : `"${name}" is not the name of an order`)

const commandOf = (words: ReadonlyArray<string>): Either.Either<Command, ArgumentInvalid> =>
  Either.gen(function* () {
    const [name, ...rest] = words
    const extra = (from: number) => (rest.length > from ? invalid(`"${rest[from]}" is too much`) : Either.void)
    switch (name) {
      case "start": {
        const order = yield* orderOf(rest[0])
        if (rest.length < 2) return yield* invalid("an order needs an amount")
        return { name, order, lines: yield* Either.all(rest.slice(1).map(cents)) }
      }
      case "approve": {
        const order = yield* orderOf(rest[0])
        const [, answer, by = "somebody"] = rest
        if (answer !== "yes" && answer !== "no") return yield* invalid("the decision is yes or no")
        yield* extra(3)
        return { name, order, approved: answer === "yes", by }
      }
      case "work": {
        yield* extra(1)
        return { name, order: rest.length === 0 ? undefined : yield* orderOf(rest[0]) }
      }
      case "show":
      case "cancel": {
        yield* extra(1)
        return { name, order: yield* orderOf(rest[0]) }
      }
      case undefined:
        return yield* invalid("say what to do")
      default:
        return yield* invalid(`"${name}" is not a command`)
    }
  })

/** A command and its words, with options, as `--flag value` or `--flag=value`, anywhere between them. */
export const parse = (args: ReadonlyArray<string>): Either.Either<Arguments, ArgumentInvalid> =>
  Either.gen(function* () {
    const words: Array<string> = []
    let options = defaults
    for (let at = 0; at < args.length; at++) {
      const [flag = "", given] = args[at]!.split(/=(.*)/s, 2)
      if (flag === "--help" || flag === "-h") return { command: { name: "help" }, options }
      if (!flag.startsWith("-")) {
        words.push(args[at]!)
        continue
      }
      const set = Object.hasOwn(setters, flag) ? setters[flag] : undefined
      if (set === undefined) return yield* invalid(`"${flag}" is not an option`)
      const value = given ?? args[++at]
      if (value === undefined || value === "") return yield* invalid(`${flag} needs a value`)
      options = { ...options, ...(yield* set(value)) }
    }
    return { command: yield* commandOf(words), options }
  })
