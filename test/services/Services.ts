/** The servers that tests share. A test that stops one has its own (`Server.ts`). */
import { describe, it } from "@effect/vitest"
import { inject } from "vitest"

const withService = (name: string, url: string | undefined, tests: (url: string) => void): void => {
  if (url === undefined) {
    describe(name, () => it.skip(`not run: no server of ${name} was found`, () => {}))
  } else tests(url)
}

/** Defines tests that need PostgreSQL; each of them uses a schema of its own. */
export const withPostgres = (tests: (url: string) => void): void =>
  withService("PostgreSQL", inject("postgresUrl"), tests)

/** Defines tests that need Redis; each of them uses a prefix of its own. */
export const withRedis = (tests: (url: string) => void): void => withService("Redis", inject("redisUrl"), tests)
