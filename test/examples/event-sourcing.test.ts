/** `docs/examples/event-sourcing`: one program, whatever store its Layer says. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as PostgresStore from "heddle/store/PostgresStore"
import { layer, program } from "../../docs/examples/event-sourcing/main.js"
import { withPostgres } from "../services/Services.js"
import * as PostgresSchema from "../store/PostgresSchema.js"
import { temporaryFile } from "../store/SqliteFile.js"

const result = { ada: 500, bob: 300, cem: 200, refused: "NotEnough", events: 5, rebuilt: 3 }

describe("the event sourcing example", () => {
  it.live("over memory", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* program, result)
      assert.deepStrictEqual(yield* program, result)
    }).pipe(Effect.provide(layer("memory")))
  )

  it.scopedLive("over a file, and again when it is started again", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      for (const _ of [1, 2]) assert.deepStrictEqual(yield* Effect.provide(program, layer(filename)), result)
    })
  )

  withPostgres((url) =>
    it.scopedLive("over PostgreSQL, and again when it is started again", () =>
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        const layer = PostgresStore.layerEventStore({ url: Redacted.make(url), schema })
        for (const _ of [1, 2]) assert.deepStrictEqual(yield* Effect.provide(program, Layer.fresh(layer)), result)
      })
    )
  )
})
