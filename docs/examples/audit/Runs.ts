/** Which run an audit is: the one that was cut off, or the next. */
import { Console, Effect } from "effect"
import { Engine, RunId, RunSnapshot } from "heddle"
import * as crypto from "node:crypto"
import * as Audit from "./Audit.js"
import type { Installed } from "./Installed.js"

interface Request {
  readonly folder: string
  readonly packages: ReadonlyArray<Installed>
  readonly concurrency: number
}

/** The audits of one folder share a name, and their runs are numbered. */
const nameOf = (folder: string) => `audit-${crypto.createHash("sha256").update(folder).digest("hex").slice(0, 12)}`

const numberOf = (runId: RunId) => Number(runId.slice(runId.lastIndexOf("-") + 1))

/**
 * Starts the audit of a folder. The latest run is carried on when it has not ended; otherwise, and when the packages
 * have changed since it was cut off, the next one begins. A process that was killed holds its run until its heartbeat
 * expires: that is waited for once, since a process that is alive goes on confirming it.
 */
export const start = ({ concurrency, folder, packages }: Request) =>
  Effect.gen(function* () {
    const name = nameOf(folder)
    const dag = Audit.make(name, packages)
    const earlier = yield* Engine.list({ dag: name })
    const latest = earlier.reduce((number, { runId }) => Math.max(number, numberOf(runId)), 0)
    const idOf = (number: number) => RunId.make(`${name}-${number}`)
    const begin = (number: number) =>
      Effect.map(
        Engine.start(dag, { folder, installed: packages }, { runId: idOf(number), concurrency }),
        (handle) => ({ dag, handle })
      )
    const fresh = Effect.suspend(() =>
      Effect.zipRight(Console.log(`starting run ${latest + 1}: ${packages.length} packages`), begin(latest + 1))
    )

    const unfinished = earlier.find(({ runId, status }) => numberOf(runId) === latest && status === "running")
    if (unfinished === undefined) return yield* fresh
    const carryOn = Effect.gen(function* () {
      const before = yield* Engine.get(unfinished.runId)
      const started = yield* begin(latest)
      const { completed } = RunSnapshot.counts(before)
      yield* Console.log(
        before.status === "running"
          ? `resuming run ${latest}: ${completed} of ${before.total} modules were done`
          : `run ${latest} has ended meanwhile: this is its result`
      )
      return started
    })
    return yield* carryOn.pipe(
      Effect.catchTag("RunHeld", ({ retryAfter }) =>
        Console.log(
          `run ${latest} is held by a process that may be gone: waiting ${(retryAfter / 1000).toFixed(1)} s`
        ).pipe(Effect.zipRight(Effect.sleep(retryAfter)), Effect.zipRight(carryOn))
      ),
      Effect.catchTag("RunConflict", () =>
        Effect.zipRight(
          Console.log(`the packages have changed since run ${latest} was cut off: it is left as it is`),
          fresh
        )
      )
    )
  })
