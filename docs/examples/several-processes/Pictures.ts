/** The work: each picture is scaled to three widths, one after the other, and then published. */
import { Effect, Schema } from "effect"
import { Dag, Module, Run } from "heddle"

const name = Module.input("name", Schema.String)

/** Says which process does it. */
const say = (what: string) =>
  Effect.flatMap(Run.id, (runId) => Effect.log(`${runId}: ${what} (process ${process.pid})`))

const scaled = Module.map("scaled", {
  needs: { name },
  over: () => [320, 640, 1280],
  output: Schema.String,
  concurrency: 1,
  run: (width, { name }) =>
    Effect.gen(function* () {
      yield* say(`scaled to ${width}`)
      yield* Effect.sleep("100 millis")
      return `${name}-${width}`
    })
})

const published = Module.make("published", {
  needs: { scaled },
  output: Schema.String,
  run: ({ scaled }) => Effect.as(say("published"), scaled.join(" "))
})

export const Pictures = Dag.make("pictures", { outputs: { published } })
