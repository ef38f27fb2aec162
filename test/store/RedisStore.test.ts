import { assert, describe, it } from "@effect/vitest"
import {
  Array,
  Clock,
  Config,
  ConfigProvider,
  Context,
  Effect,
  Fiber,
  Inspectable,
  Layer,
  Option,
  Redacted,
  Schedule,
  Stream,
  TestClock
} from "effect"
import * as Net from "node:net"
import type { StoreError } from "heddle/model/StoreError"
import { LeaseStore } from "heddle/store/LeaseStore"
import * as RedisStore from "heddle/store/RedisStore"
import { StateStore } from "heddle/store/StateStore"
import { numRuns } from "../numRuns.js"
import { withRedis } from "../services/Services.js"
import { inTurn } from "./inTurn.js"
import { leaseContract } from "./leaseContract.js"
import * as RedisPrefix from "./RedisPrefix.js"
import { stateContract } from "./stateContract.js"

const clock = Clock.currentTimeMillis
const cases = Math.min(numRuns, 15)

withRedis((url) => {
  const one = Layer.unwrapScoped(
    Effect.map(RedisPrefix.options(url), (options) => RedisStore.layer({ ...options, clock }))
  )

  /** Two stores with one prefix, as two processes have them. */
  const both = Layer.scopedContext(
    Effect.gen(function* () {
      const options = yield* RedisPrefix.options(url)
      const build = Layer.build(RedisStore.layer({ ...options, clock }))
      const [one, other] = [yield* build, yield* build]
      const states = [Context.get(one, StateStore), Context.get(other, StateStore)] as const
      const leases = inTurn(Context.get(one, LeaseStore), Context.get(other, LeaseStore))
      // the changes of the one that most of them are not made by
      return Context.make(StateStore, { ...inTurn(...states), changes: states[1].changes }).pipe(
        Context.add(LeaseStore, leases)
      )
    })
  )

  stateContract("Redis", () => one, { cases })
  stateContract("Redis, as two stores with one prefix", () => both, { cases })
  leaseContract("Redis", () => one, cases)
  leaseContract("Redis, as two stores with one prefix", () => both, cases)

  const inDatabase = (database: number) => Object.assign(new URL(url), { pathname: `/${database}` }).href

  const build = (options: RedisStore.Options) =>
    Effect.map(Layer.build(RedisStore.layer(options)), (context) => ({
      states: Context.get(context, StateStore),
      leases: Context.get(context, LeaseStore)
    }))

  /** A store with a prefix of its own, and what sends commands past it. */
  const open = (options?: Partial<RedisStore.Options>) =>
    Effect.gen(function* () {
      const own = yield* RedisPrefix.options(url)
      const send = yield* RedisPrefix.connect(url)
      const key = (name: string) => `{${own.prefix}}:${name}`
      return { own, send, key, ...(yield* build({ ...own, ...options })) }
    })

  const refused = (options: RedisStore.Options) => Effect.flip(Effect.scoped(build(options)))

  describe("RedisStore", () => {
    it.scoped("the server removes what has expired, and a list what is left of it", () =>
      Effect.gen(function* () {
        const { key, send, states } = yield* open()
        for (const name of ["kept", "gone", "late"]) yield* states.set(name, "a")
        for (const name of ["gone", "late"]) {
          yield* states.set(name, "b", { ttl: "1 hour" })
          const until = Number(yield* send("HGET", key(`state:${name}`), "until"))
          assert.strictEqual(yield* send("PEXPIRETIME", key(`state:${name}`)), Math.ceil(until))
        }
        yield* states.set("late", "c")
        assert.strictEqual(yield* send("PTTL", key("state:late")), -1)
        // as the server does
        yield* send("DEL", key("state:gone"))
        assert.deepStrictEqual([yield* send("ZCARD", key("keys")), yield* send("ZCARD", key("expiring"))], [3, 1])
        assert.deepStrictEqual(
          (yield* states.list({ prefix: "", limit: 2 })).map((entry) => entry.key),
          ["kept", "late"]
        )
        assert.deepStrictEqual([yield* send("ZCARD", key("keys")), yield* send("ZCARD", key("expiring"))], [2, 0])
      })
    )

    it.scoped("each set removes up to 16 that have expired, by the clock that it was given", () =>
      Effect.gen(function* () {
        const { key, send, states } = yield* open({ clock })
        for (const i of Array.range(1, 40)) yield* states.set(`k${i}`, "a", { ttl: 100 + i })
        yield* states.set("kept", "a")
        assert.strictEqual(yield* send("PTTL", key("state:k1")), -1)
        yield* TestClock.adjust(1000)
        assert.deepStrictEqual(yield* states.get("k1"), Option.none())
        assert.strictEqual(yield* send("ZCARD", key("keys")), 41)
        yield* states.set("kept", "b")
        assert.strictEqual(yield* send("ZCARD", key("keys")), 25)
        assert.strictEqual(yield* send("EXISTS", key("state:k16")), 0)
        assert.strictEqual(yield* send("EXISTS", key("state:k17")), 1)
      })
    )

    it.scopedLive("those who wait leave nothing behind when they come back no more", () =>
      Effect.gen(function* () {
        const { key, leases, send } = yield* open()
        yield* leases.enqueue({ resource: "r", holder: "long", ttl: 60_000 })
        yield* leases.enqueue({ resource: "r", holder: "short", ttl: 10 })
        for (const name of ["line:r", "waiting:r"]) {
          const left = Number(yield* send("PTTL", key(name)))
          assert.isTrue(left > 50_000 && left <= 60_001, `${left} ms`)
        }
      })
    )

    it.scoped("works on after the server has forgotten the scripts", () =>
      Effect.gen(function* () {
        const { leases, send, states } = yield* open()
        const version = yield* states.set("k", "a")
        for (const scripts of ["SYNC", "SYNC", "ASYNC"]) {
          yield* send("SCRIPT", "FLUSH", scripts)
          assert.deepStrictEqual(yield* states.get("k"), Option.some({ value: "a", version }))
          yield* send("SCRIPT", "FLUSH", scripts)
          assert.deepStrictEqual(yield* states.compareAndSet("k", version + 1, "b"), Option.none())
          yield* send("SCRIPT", "FLUSH", scripts)
          assert.strictEqual((yield* leases.acquire({ resource: "r", holder: "one", ttl: 60_000 }))._tag, "Acquired")
        }
      })
    )

    it.scoped("gives no version and no token again when the server has lost its data", () =>
      Effect.gen(function* () {
        const { key, leases, send, states } = yield* open()
        const request = { resource: "r", holder: "one", ttl: 60_000 }
        const tokenOf = Effect.map(leases.acquire(request), (answer) =>
          answer._tag === "Acquired" ? answer.lease.token : assert.fail("somebody else has it")
        )
        const versions = [yield* states.set("k", "a"), yield* states.set("k", "b")]
        const token = yield* tokenOf
        for (const name of ["version", "keys", "state:k", "lease:r", "format"]) yield* send("DEL", key(name))
        versions.push(yield* states.set("k", "c"))
        // a server that has come back without the last of it
        yield* send("SET", key("version"), String(versions[0]))
        versions.push(yield* states.set("k", "d"))
        assert.deepStrictEqual(
          versions,
          [...new Set(versions)].sort((a, b) => a - b)
        )
        assert.isAbove(yield* tokenOf, token)
        yield* send("SET", key("version"), "many")
        const error = yield* Effect.flip(states.set("k", "e"))
        assert.deepStrictEqual([error.reason, error.operation], ["corrupt", "set"])
        assert.deepStrictEqual(yield* states.get("k"), Option.some({ value: "d", version: versions[3]! }))
      })
    )

    it.scoped("keys that are somebody else's are left as they are", () =>
      Effect.gen(function* () {
        const { key, leases, own, send, states } = yield* open()
        const version = yield* states.set("k", "a")
        const request = { resource: "r", holder: "one", ttl: 60_000 }
        const dump = Effect.gen(function* () {
          const keys = (yield* send("KEYS", `{${own.prefix}}:*`)) as ReadonlyArray<string>
          return yield* Effect.forEach([...keys].sort(), (name) =>
            Effect.map(send("DUMP", name), (dumped) => [name, dumped])
          )
        })
        const writes = {
          set: states.set("k", "b"),
          compareAndSet: states.compareAndSet("k", version, "b"),
          delete: states.delete("k")
        }
        const line = {
          acquire: leases.acquire(request),
          enqueue: leases.enqueue(request),
          dequeue: leases.dequeue(request)
        }
        const cases: ReadonlyArray<readonly [string, Record<string, Effect.Effect<unknown, StoreError>>]> = [
          [
            "state:k",
            {
              ...writes,
              get: states.get("k"),
              getMany: states.getMany(["l", "k"]),
              list: states.list({ prefix: "", limit: 9 })
            }
          ],
          ["keys", { ...writes, list: states.list({ prefix: "", limit: 9 }) }],
          ["expiring", { ...writes, list: states.list({ prefix: "", limit: 9 }) }],
          ["version", { set: states.set("k", "b"), compareAndSet: states.compareAndSet("k", version, "b") }],
          [
            "lease:r",
            { acquire: leases.acquire(request), get: leases.get("r"), renew: leases.renew({ ...request, token: 1 }) }
          ],
          ["line:r", line],
          ["waiting:r", line]
        ]
        for (const [name, methods] of cases) {
          const had = yield* send("EXISTS", key(name))
          yield* had === 1 ? send("RENAME", key(name), key("saved")) : Effect.void
          yield* send("RPUSH", key(name), "of another application")
          const before = yield* dump
          for (const [operation, method] of Object.entries(methods)) {
            const error = yield* Effect.flip(method)
            assert.deepStrictEqual([error.reason, error.operation], ["foreign", operation], `${operation} with ${name}`)
            assert.deepStrictEqual(yield* dump, before, `${operation} with ${name}`)
          }
          yield* send("DEL", key(name))
          yield* had === 1 ? send("RENAME", key("saved"), key(name)) : Effect.void
        }
        assert.deepStrictEqual(yield* states.get("k"), Option.some({ value: "a", version }))
      })
    )

    it.scoped("a prefix of somebody else, or of a later release, is refused and left as it is", () =>
      Effect.gen(function* () {
        const send = yield* RedisPrefix.connect(url)
        for (const [reason, ...command] of [
          ["foreign", "SET", "of another application"],
          ["foreign", "SET", "heddle"],
          ["foreign", "RPUSH", "heddle 1"],
          ["newer", "SET", "heddle 2"],
          ["newer", "SET", "heddle 10"]
        ] as const) {
          const own = yield* RedisPrefix.options(url)
          const name = `{${own.prefix}}:format`
          yield* send(command[0], name, command[1])
          const before = yield* send("DUMP", name)
          const error = yield* refused(own)
          assert.deepStrictEqual([error.reason, error.operation], [reason, "layer"])
          assert.include(error.message, own.prefix)
          assert.deepStrictEqual(yield* send("DUMP", name), before)
          assert.deepStrictEqual(yield* send("KEYS", `{${own.prefix}}:*`), [name])
        }
        const own = yield* RedisPrefix.options(url)
        yield* build(own)
        assert.strictEqual(yield* send("GET", `{${own.prefix}}:format`), "heddle 1")
        yield* build(own)
      })
    )

    it.scoped("urls and prefixes that are none are refused, and no error has the password in it", () =>
      Effect.gen(function* () {
        const secret = "open-sesame"
        const given = Redacted.make(Object.assign(new URL(url), { username: "nobody", password: secret }).href)
        for (const [options, reason, named] of [
          [{ url: Redacted.make(`http://nobody:${secret}@127.0.0.1`) }, "failed", "redis://"],
          [{ url: Redacted.make(`nobody:${secret}@127.0.0.1`) }, "failed", "redis://"],
          [{ url: Redacted.make(`redis://nobody:${secret}@127.0.0.1:99999`) }, "failed", "redis://"],
          [{ url: Redacted.make(`redis://nobody:${secret}@127.0.0.1/one`) }, "failed", "redis://"],
          [{ url: Redacted.make(`redis://nobody:${secret}@127.0.0.1:1`) }, "unavailable", "127.0.0.1:1"],
          [{ url: Redacted.make(`redis://nobody:${secret}@nowhere.invalid`) }, "unavailable", "nowhere.invalid"],
          [{ url: Redacted.make(inDatabase(999999)) }, "failed", "999999"],
          [{ url: given }, "failed", "WRONGPASS"],
          [{ url: given, prefix: "" }, "failed", '""'],
          [{ url: given, prefix: "{a}" }, "failed", '"{a}"'],
          [{ url: given, prefix: "lone\ud83d" }, "failed", "lone"]
        ] as const) {
          const error = yield* refused(options)
          assert.deepStrictEqual([error.reason, error.operation], [reason, "layer"], error.message)
          assert.include(error.message, named)
          assert.notInclude(
            `${error.message}${error.stack}${Inspectable.toStringUnknown(error)}${String(error.cause)}`,
            secret
          )
        }
      })
    )

    it.scopedLive("a server that does not answer fails the layer within `connectTimeout`", () =>
      Effect.gen(function* () {
        const silent = yield* Effect.acquireRelease(
          Effect.async<Net.Server>((resume) => {
            const server = Net.createServer()
            server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const address = silent.address()
        const { port } = typeof address === "object" && address !== null ? address : assert.fail("it listens")
        const error = yield* refused({ url: Redacted.make(`redis://127.0.0.1:${port}`), connectTimeout: 50 })
        assert.deepStrictEqual([error.reason, error.operation], ["unavailable", "layer"])
        assert.include(error.message, `127.0.0.1:${port}`)
      })
    )

    it.scoped("fails once its scope has ended, as do calls that wait and streams", () =>
      Effect.gen(function* () {
        const own = yield* RedisPrefix.options(url)
        const send = yield* RedisPrefix.connect(url)
        const { leases, listening, states, waiting } = yield* Effect.scoped(
          Effect.gen(function* () {
            const { leases, states } = yield* build(own)
            const listening = yield* Effect.forkDaemon(Stream.runDrain(Option.getOrThrow(states.changes)("")))
            const channel = `{${own.prefix}}:changes:${Number(new URL(url).pathname.slice(1))}`
            const listens = Effect.map(send("PUBSUB", "NUMSUB", channel), (found) =>
              assert.deepStrictEqual(found, [channel, 1])
            )
            yield* Effect.retry(Effect.sandbox(listens), Schedule.recurs(1000))
            yield* send("CLIENT", "PAUSE", "20", "WRITE")
            const waiting = yield* Effect.forkDaemon(states.set("k", "a"))
            yield* Effect.repeatN(Effect.yieldNow(), 10)
            return { leases, listening, states, waiting }
          })
        )
        assert.strictEqual((yield* Effect.flip(Fiber.join(waiting))).reason, "closed")
        assert.strictEqual((yield* Effect.flip(Fiber.join(listening))).reason, "closed")
        const closed = [
          states.get("k"),
          states.list({ prefix: "", limit: 1 }),
          leases.get("r"),
          leases.dequeue({ resource: "r", holder: "h" }),
          Stream.runDrain(Option.getOrThrow(states.changes)(""))
        ]
        for (const call of closed)
          assert.strictEqual((yield* Effect.flip<unknown, StoreError, never>(call)).reason, "closed")
      })
    )

    it.scoped("stores with the same prefix and database are one, and others are apart", () =>
      Effect.gen(function* () {
        const own = yield* RedisPrefix.options(url)
        const other = yield* RedisPrefix.options(url)
        const states = (options: RedisStore.Options) =>
          Effect.map(Layer.build(RedisStore.layerStateStore(options)), Context.get(StateStore))
        const leases = (options: RedisStore.Options) =>
          Effect.map(Layer.build(RedisStore.layerLeaseStore(options)), Context.get(LeaseStore))
        const provider = ConfigProvider.fromMap(new Map([["REDIS_URL", url]]))
        const configured = yield* Layer.build(
          RedisStore.layerConfig({ url: Config.redacted("REDIS_URL"), prefix: Config.succeed(own.prefix) })
        ).pipe(Effect.withConfigProvider(provider))
        const version = yield* (yield* states(own)).set("k", "a")
        const request = { resource: "r", holder: "one", ttl: 60_000 }
        yield* (yield* leases(own)).acquire(request)
        assert.deepStrictEqual(
          yield* Context.get(configured, StateStore).get("k"),
          Option.some({ value: "a", version })
        )
        assert.strictEqual(
          (yield* Context.get(configured, LeaseStore).acquire({ ...request, holder: "two" }))._tag,
          "Held"
        )
        assert.deepStrictEqual(yield* (yield* states(other)).get("k"), Option.none())
        const elsewhere = { ...own, url: Redacted.make(inDatabase(1)) }
        assert.deepStrictEqual(yield* (yield* leases(elsewhere)).get("r"), Option.none())
        yield* RedisPrefix.deleteKeys(inDatabase(1), own.prefix)
      })
    )
  })
})
