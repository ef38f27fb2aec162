/** What the command line asks for. */
import { Data, Either } from "effect"

export interface Arguments {
  readonly target: string
  readonly database: string
  readonly report: string
  readonly concurrency: number
  readonly help: boolean
}

const defaults: Arguments = {
  target: ".",
  database: "heddle-audit.db",
  report: "audit-report.md",
  concurrency: 4,
  help: false
}

export const help = `Audits the packages in a node_modules folder and writes a report.

Usage: npm run demo -- [options]

  --target DIR       a project or a node_modules folder (default: the current folder)
  --db FILE          where runs are kept (default: ${defaults.database})
  --report FILE      the report (default: ${defaults.report})
  --concurrency N    how many groups of packages are read at the same time (default: ${defaults.concurrency})
  --help             this text

Interrupted with Ctrl-C, or killed, the same command carries on where it stopped.
`

export class ArgumentInvalid extends Data.TaggedError("ArgumentInvalid")<{ readonly message: string }> {}

const invalid = (message: string) => Either.left(new ArgumentInvalid({ message: `${message} (--help says how)` }))

/** `--flag value` or `--flag=value`. */
export const parse = (args: ReadonlyArray<string>): Either.Either<Arguments, ArgumentInvalid> => {
  let parsed = defaults
  for (let at = 0; at < args.length; at++) {
    const [flag = "", given] = args[at]!.split(/=(.*)/s, 2)
    if (flag === "--help" || flag === "-h") parsed = { ...parsed, help: true }
    else if (flag === "--target" || flag === "--db" || flag === "--report" || flag === "--concurrency") {
      const value = given ?? args[++at]
      if (value === undefined || value === "") return invalid(`${flag} needs a value`)
      if (flag === "--target") parsed = { ...parsed, target: value }
      else if (flag === "--db") parsed = { ...parsed, database: value }
      else if (flag === "--report") parsed = { ...parsed, report: value }
      else {
        const concurrency = Number(value)
        if (!Number.isInteger(concurrency) || concurrency < 1) {
          return invalid(`--concurrency takes a whole number of at least 1, not "${value}"`)
        }
        parsed = { ...parsed, concurrency }
      }
    } else return invalid(`"${args[at]}" is not an option`)
  }
  return Either.right(parsed)
}
