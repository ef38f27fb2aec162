/**
 * Finds the servers that the tests use: those that the environment names, else those on their standard local ports, else
 * ones that are started here from the programs on this machine.
 */
import { Effect, Exit, Scope } from "effect"
import * as Os from "node:os"
import type { TestProject } from "vitest/node"
import * as Server from "./Server.js"

declare module "vitest" {
  export interface ProvidedContext {
    /** Undefined where no server can be had. */
    readonly postgresUrl: string | undefined
    readonly redisUrl: string | undefined
  }
}

const find = (
  given: string | undefined,
  standard: { readonly port: number; readonly url: string },
  own: Effect.Effect<Server.Server, Server.ServerFailed, Scope.Scope>
): Effect.Effect<string | undefined, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (given !== undefined && given !== "") return given
    if (yield* Server.listens(standard.port)) return standard.url
    return yield* own.pipe(
      Effect.map(({ url }) => url),
      Effect.catchAll((error) =>
        Effect.as(
          Effect.sync(() => console.warn(error.message)),
          undefined
        )
      )
    )
  })

export default async (project: TestProject) => {
  const scope = Effect.runSync(Scope.make())
  const user = process.env.PGUSER ?? Os.userInfo().username
  const postgresUrl = await Effect.runPromise(
    find(
      process.env.HEDDLE_TEST_POSTGRES_URL,
      { port: 5432, url: `postgres://${user}@127.0.0.1:5432/${process.env.PGDATABASE ?? "postgres"}` },
      Server.postgres(["fsync=off"])
    ).pipe(Scope.extend(scope))
  )
  const redisUrl = await Effect.runPromise(
    find(process.env.HEDDLE_TEST_REDIS_URL, { port: 6379, url: "redis://127.0.0.1:6379" }, Server.redis()).pipe(
      Scope.extend(scope)
    )
  )
  const missing = Object.entries({ PostgreSQL: postgresUrl, Redis: redisUrl })
    .filter(([, url]) => url === undefined)
    .map(([name]) => name)
  if (missing.length > 0 && process.env.HEDDLE_REQUIRE_SERVICES === "1") {
    throw new Error(`no server of ${missing.join(" and ")} was found, and HEDDLE_REQUIRE_SERVICES=1 asks for it`)
  }
  project.provide("postgresUrl", postgresUrl)
  project.provide("redisUrl", redisUrl)
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
