/**
 * The keys of one prefix in one server: whose they are, scripts that use them, and messages about them.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isWellFormed } from "../../model/CanonicalJson.js"
import { StoreError } from "../../model/StoreError.js"
import type { Change } from "../StateStore.js"
import * as Feed from "./Feed.js"
import * as RedisConnection from "./RedisConnection.js"
import * as RedisErrors from "./RedisErrors.js"
import * as RedisScript from "./RedisScript.js"

export interface Options {
  readonly url: Redacted.Redacted<string>
  readonly prefix: string
  readonly timeout: Duration.Duration
  readonly connectTimeout: Duration.Duration
  readonly clock: Effect.Effect<number> | undefined
}

export interface RedisServer {
  /** For people: server, database and prefix, without the password. */
  readonly location: string

  /** The name of a key of the prefix. All of them are in one slot of a cluster. */
  readonly key: (name: string) => string

  /** Where changes are told, as "version key", with version 0 for what was deleted. */
  readonly channel: string

  /** Whether the time is the server's own, so that it may remove by itself what has expired. */
  readonly ownsTime: boolean

  /** Runs a script, as one step; the time is added to its arguments. */
  readonly run: (
    operation: string,
    script: RedisScript.RedisScript,
    keys: ReadonlyArray<string>,
    arguments_: ReadonlyArray<string>
  ) => Effect.Effect<unknown, StoreError>

  /** What is told on the channel, of keys that begin with the prefix. Fails when the connection is lost. */
  readonly changes: (prefix: string) => Stream.Stream<Change, StoreError>
}

/** The version of how keys and values are laid out, which is kept beside them. */
const format = 1

const claim = RedisScript.make(
  "writes",
  `
local is = redis.call('GET', KEYS[1])
if is then return is end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
`
)

interface Place {
  readonly url: string
  readonly host: string
  readonly database: number
}

const refuse = (location: string, message: string, reason: StoreError["reason"] = "failed"): StoreError =>
  new StoreError({ reason, location, operation: "layer", message: `${location}: ${message}` })

/** Errors of the parser are not kept: the url is in them, with its password. */
const parse = (redacted: Redacted.Redacted<string>): Effect.Effect<Place, StoreError> =>
  Effect.suspend(() => {
    const url = Redacted.value(redacted)
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    const database = /^\/?(\d*)$/.exec(parsed?.pathname ?? "")?.[1]
    return (parsed?.protocol === "redis:" || parsed?.protocol === "rediss:") && database !== undefined
      ? Effect.succeed({
          url,
          host: `${parsed.protocol}//${parsed.hostname || "localhost"}:${parsed.port || "6379"}`,
          database: Number(database)
        })
      : refuse("redis", "the url is none of Redis: give redis://user:password@host:port/database, or rediss: for TLS")
  })

// In braces, what decides in which slot of a cluster a key is.
const checkPrefix = (host: string, prefix: string): Effect.Effect<void, StoreError> =>
  prefix !== "" && isWellFormed(prefix) && !/[{}]/.test(prefix)
    ? Effect.void
    : refuse(
        host,
        `the prefix ${JSON.stringify(prefix.slice(0, 100))} is empty, has braces or a lone surrogate: use another one`
      )

const checkFormat = (location: string, found: unknown): Effect.Effect<void, StoreError> => {
  const version = /^heddle (\d+)$/.exec(String(found))?.[1]
  if (version === undefined) {
    return refuse(
      location,
      "somebody else uses keys of this prefix, which were left as they are: choose another prefix",
      "foreign"
    )
  }
  return Number(version) <= format
    ? Effect.void
    : refuse(
        location,
        `a later release of Heddle uses this prefix (version ${version}, this one knows ${format}): it was left as it ` +
          "is; use that release, or choose another prefix",
        "newer"
      )
}

const changeOf = (message: string): Change => {
  const space = message.indexOf(" ")
  const version = Number(message.slice(0, space))
  return { key: message.slice(space + 1), version: version > 0 ? Option.some(version) : Option.none() }
}

/** Sends the text of a script only when the server does not know it, as after a restart. */
const evaluate = (
  connection: RedisConnection.RedisConnection,
  { sha, text }: RedisScript.RedisScript,
  rest: ReadonlyArray<string>
): Effect.Effect<unknown, unknown> =>
  Effect.catchAll(RedisConnection.send(connection, ["EVALSHA", sha, ...rest]), (error) =>
    RedisErrors.isUnknownScript(error) ? RedisConnection.send(connection, ["EVAL", text, ...rest]) : Effect.fail(error)
  )

/** Fails unless it can connect; later it connects again whenever it has to. */
export const open = (options: Options): Effect.Effect<RedisServer, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const { clock, connectTimeout, prefix, timeout } = options
    const { database, host, url } = yield* parse(options.url)
    yield* checkPrefix(host, prefix)
    const location = `${host}/${database} (${prefix})`
    const key = (name: string) => `{${prefix}}:${name}`
    // Channels are those of all databases.
    const channel = key(`changes:${database}`)
    const address = { url, location, connectTimeout }

    const fail = (operation: string) => Effect.mapError(RedisErrors.fromUnknown(location, operation))
    const unanswered = (operation: string) => RedisErrors.unanswered(location, operation, Duration.toMillis(timeout))

    const connection = yield* RedisConnection.onDemand(address, (connection) =>
      evaluate(connection, claim, ["1", key("format"), `heddle ${format}`, ""]).pipe(
        fail("layer"),
        Effect.flatMap((found) => checkFormat(location, found))
      )
    )
    yield* connection.get("layer")

    const feed = yield* Ref.make(Feed.empty)
    const listener = yield* RedisConnection.onDemand(address, (connection) =>
      RedisConnection.subscribe(connection, channel, (message) => {
        const { key, version } = changeOf(message)
        Effect.runSync(Ref.update(feed, (feed) => Feed.note(feed, key, version)))
      }).pipe(fail("changes"))
    )

    const call = (
      connected: RedisConnection.RedisConnection,
      operation: string,
      script: RedisScript.RedisScript,
      rest: ReadonlyArray<string>
    ) => {
      const calling = evaluate(connected, script, rest).pipe(
        fail(operation),
        RedisConnection.within(timeout, () => unanswered(operation)),
        Effect.catchAll((error) =>
          Effect.flatMap(connection.isClosed, (isClosed) => {
            if (isClosed) return RedisErrors.closed(location, operation)
            // Without a cause, nobody has answered: nor will those who wait behind it be, and the next one connects again.
            return error.cause === undefined || RedisErrors.wantsAnother(error.cause)
              ? Effect.zipRight(RedisConnection.drop(connected, RedisErrors.as("changes")(error)), error)
              : error
          })
        )
      )
      // A fiber of its own: an interruption is sent to the children of whom it meets, also where they are waited for.
      return script.writes
        ? Effect.uninterruptible(Effect.flatMap(Effect.forkDaemon(Effect.interruptible(calling)), Fiber.join))
        : calling
    }

    const run: RedisServer["run"] = (operation, script, keys, arguments_) =>
      Effect.gen(function* () {
        const now = clock === undefined ? "" : String(yield* clock)
        const rest = [String(keys.length), ...keys, ...arguments_, now]
        return yield* call(yield* connection.get(operation), operation, script, rest)
      })

    // A server that is gone without a word is noticed by nothing else.
    const watch = (connection: RedisConnection.RedisConnection) =>
      RedisConnection.send(connection, ["PING"]).pipe(
        fail("changes"),
        RedisConnection.within(timeout, () => unanswered("changes")),
        Effect.catchAll((error) => RedisConnection.drop(connection, error)),
        RedisConnection.every(timeout)
      )

    const changes: RedisServer["changes"] = (prefix) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const connection = yield* listener.get("changes")
          yield* Effect.forkScoped(watch(connection))
          return Feed.changes((f) => Ref.modify(feed, f), prefix).pipe(Stream.interruptWhenDeferred(connection.lost))
        })
      )

    return { location, key, channel, ownsTime: clock === undefined, run, changes }
  })
