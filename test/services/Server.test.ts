import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Server from "./Server.js"
import { withPostgres, withRedis } from "./Services.js"

for (const [name, program, make] of [
  ["PostgreSQL", "postgres", Server.postgres(["fsync=off"])],
  ["Redis", "redis-server", Server.redis()]
] as const) {
  describe(`a server of a test's own: ${name}`, () => {
    it.scopedLive.skipIf(Server.programOf(program) === undefined)("starts, stops, and starts again", () =>
      Effect.gen(function* () {
        const server = yield* make
        assert.isTrue(yield* Server.listens(server.port))
        yield* server.stop
        assert.isFalse(yield* Server.listens(server.port))
        yield* server.start
        yield* server.signal("SIGSTOP")
        yield* server.signal("SIGCONT")
        yield* server.signal("SIGKILL")
        assert.isFalse(yield* Server.listens(server.port))
      })
    )
  })
}

withPostgres((url) => it("PostgreSQL is there", () => assert.match(url, /^postgres/)))
withRedis((url) => it("Redis is there", () => assert.match(url, /^redis/)))
