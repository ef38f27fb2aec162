/**
 * Where a schema is, from the options of a store.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import { isWellFormed } from "../../model/CanonicalJson.js"
import { StoreError } from "../../model/StoreError.js"
import type { Limits } from "./PostgresSession.js"

/** As they are described with the public layers. */
export interface Options {
  readonly url?: Redacted.Redacted | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly database?: string | undefined
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted | undefined
  readonly ssl?: PgClient.PgClientConfig["ssl"]
  readonly schema: string
  readonly maxConnections: number
  readonly connectTimeout: Duration.DurationInput
  readonly timeout: Duration.DurationInput
  readonly lockTimeout: Duration.DurationInput
  readonly applicationName: string
  readonly asynchronousCommit: boolean
}

export interface Server {
  /** For people: without the password. */
  readonly location: string
  readonly config: PgClient.PgClientConfig
  /** The name of the schema, and that name in quotes. */
  readonly name: string
  readonly schema: string
  readonly limits: Limits
  readonly timeout: Duration.Duration
  readonly connectTimeout: Duration.Duration
  /** How many connections are for reading; one is for writing, and one for listening. */
  readonly readers: number
  readonly channel: (subject: string) => string
}

const addressOf = ({ database, host, port, url, username }: Options): string => {
  const given = url === undefined || !URL.canParse(Redacted.value(url)) ? undefined : new URL(Redacted.value(url))
  const named = given?.hostname || given?.searchParams.get("host") || host || "localhost"
  const path = decodeURIComponent(given?.pathname.slice(1) ?? "") || database
  const user = decodeURIComponent(given?.username ?? "") || username
  return `${named}:${given?.port || (port ?? 5432)}/${path ?? user ?? ""}`
}

/** Why a schema cannot have this name. */
const wrong = (name: string): string | undefined => {
  if (name === "") return "it is empty"
  if (name.includes("\u0000")) return "it has a U+0000"
  if (!isWellFormed(name)) return "it has a lone surrogate"
  if (Buffer.byteLength(name) > 63) return "it has more than 63 bytes of UTF-8"
  return name.startsWith("pg_") ? "PostgreSQL keeps names that begin with pg_ for itself" : undefined
}

const least = 3

/** Fails where an option cannot be. */
export const make = (options: Options): Effect.Effect<Server, StoreError> =>
  Effect.suspend(() => {
    const name = options.schema
    const location = `${addressOf(options)} schema ${JSON.stringify(name)}`
    const refuse = (message: string) =>
      Effect.fail(
        new StoreError({ reason: "failed", location, operation: "layer", message: `${location}: ${message}` })
      )

    const problem = wrong(name)
    if (problem !== undefined) return refuse(`a schema cannot have this name: ${problem}`)
    const { maxConnections } = options
    if (!Number.isSafeInteger(maxConnections) || maxConnections < least) {
      return refuse(`maxConnections is ${maxConnections}: it must be a whole number of at least ${least}`)
    }
    const times = (["connectTimeout", "timeout", "lockTimeout"] as const).map((option) => {
      const duration = Duration.decode(options[option])
      return { option, duration, millis: Math.ceil(Duration.toMillis(duration)) }
    })
    const odd = times.find(({ millis }) => !(millis > 0 && millis < 2 ** 31))
    if (odd !== undefined) return refuse(`${odd.option} must be longer than nothing and shorter than 24 days`)
    const [connectTimeout, timeout, lockTimeout] = times as [(typeof times)[0], (typeof times)[0], (typeof times)[0]]

    const given = Object.entries({
      url: options.url,
      host: options.host,
      port: options.port,
      database: options.database,
      username: options.username,
      password: options.password,
      ssl: options.ssl
    }).filter(([, value]) => value !== undefined)
    const digest = createHash("sha256").update(name).digest("hex").slice(0, 16)
    return Effect.succeed({
      location,
      name,
      schema: `"${name.replaceAll('"', '""')}"`,
      config: {
        ...(Object.fromEntries(given) as Partial<PgClient.PgClientConfig>),
        maxConnections,
        connectTimeout: Duration.millis(connectTimeout.millis),
        applicationName: options.applicationName,
        types
      },
      limits: {
        statementMillis: timeout.millis,
        lockMillis: lockTimeout.millis,
        settings: options.asynchronousCommit ? [["synchronous_commit", "off"]] : []
      },
      timeout: timeout.duration,
      connectTimeout: connectTimeout.duration,
      readers: maxConnections - 2,
      channel: (subject: string) => `heddle_${digest}_${subject}`
    } satisfies Server)
  })

const asNumber = (text: string): number => Number(text)
const asText = (text: string): string => text

// Oids of pg_type, which never change: bool, and int8, int2, int4, float4, float8, numeric.
const parsers: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [16, (text) => text === "t"],
  ...[20, 21, 23, 700, 701, 1700].map((oid) => [oid, asNumber] as const)
])

/** What values are in JavaScript; whole numbers of the store are all safe ones. */
const types: NonNullable<PgClient.PgClientConfig["types"]> = {
  getTypeParser: (oid: number) => parsers.get(oid) ?? asText
}
