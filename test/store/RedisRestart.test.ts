/** A Redis server that dies, hangs, is full or becomes a replica, under those who use it. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Either, Fiber, Layer, Option, Ref, Schedule, Stream } from "effect"
import { isTransient, type StoreError } from "heddle/model/StoreError"
import { LeaseStore } from "heddle/store/LeaseStore"
import * as RedisStore from "heddle/store/RedisStore"
import { StateStore } from "heddle/store/StateStore"
import * as Net from "node:net"
import * as Server from "../services/Server.js"
import * as RedisPrefix from "./RedisPrefix.js"

const open = (url: string, options: Partial<RedisStore.Options> = {}) =>
  Effect.gen(function* () {
    const own = yield* Effect.map(RedisPrefix.options(url), (own) => ({ ...own, ...options }))
    const context = yield* Layer.build(RedisStore.layer(own))
    return { own, states: Context.get(context, StateStore), leases: Context.get(context, LeaseStore) }
  })

/** What fails because the server is away is done again. */
const persistently = <A>(effect: Effect.Effect<A, StoreError>) =>
  Effect.retry(effect, { while: isTransient, schedule: Schedule.spaced(5) })

const numberOf = (entry: Option.Option<{ readonly value: string }>) =>
  Number(Option.getOrElse(entry, () => ({ value: "0" })).value)

/** What comes between: the ends of its connections at the client, of which each may be cut off. */
const proxy = (to: number) =>
  Effect.gen(function* () {
    const connections: Array<Net.Socket> = []
    const server = yield* Effect.acquireRelease(
      Effect.async<Net.Server>((resume) => {
        const server = Net.createServer((client) => {
          const upstream = Net.connect(to, "127.0.0.1")
          for (const socket of [client, upstream]) socket.on("error", () => {})
          client.on("close", () => upstream.destroy())
          client.pipe(upstream).pipe(client)
          connections.push(client)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    )
    const address = server.address()
    return { connections, port: typeof address === "object" && address !== null ? address.port : 0 }
  })

describe.skipIf(Server.programOf("redis-server") === undefined)("a Redis server that", () => {
  it.scopedLive(
    "is stopped, killed and started again loses nothing that it has acknowledged",
    () =>
      Effect.gen(function* () {
        const server = yield* Server.redis(["--appendonly", "yes", "--appendfsync", "always"])
        const first = yield* open(server.url, { timeout: "1 second" })
        const second = yield* Layer.build(RedisStore.layer(first.own)).pipe(Effect.map(Context.get(StateStore)))
        const running = yield* Ref.make(true)
        const written: Array<{ readonly key: string; readonly value: string; readonly version: number }> = []
        let counted = 0
        let unsure = 0
        let failures = 0

        /** One more, unless somebody came between. */
        const increment = (store: StateStore["Type"]) =>
          Effect.gen(function* () {
            const entry = yield* persistently(store.get("count"))
            const { version } = Option.getOrElse(entry, () => ({ version: 0 }))
            const answer = yield* Effect.either(store.compareAndSet("count", version, String(numberOf(entry) + 1)))
            if (answer._tag === "Left") {
              assert.isTrue(isTransient(answer.left), answer.left.message)
              // it may have taken place
              unsure++
              failures++
            } else if (Option.isSome(answer.right)) {
              counted++
              assert.isAbove(answer.right.value, version)
            }
          })
        const log = (store: StateStore["Type"], name: string, i: number) =>
          Effect.gen(function* () {
            const [key, value] = [`${name}/${i}`, `value ${i}`]
            const answer = yield* Effect.either(store.set(key, value))
            if (answer._tag === "Right") written.push({ key, value, version: answer.right })
            else {
              assert.isTrue(isTransient(answer.left), answer.left.message)
              failures++
              yield* Effect.sleep(5)
            }
          })
        const using = (store: StateStore["Type"], name: string) =>
          Effect.iterate(0, {
            while: () => Effect.runSync(Ref.get(running)),
            body: (i) => Effect.as(Effect.zipRight(increment(store), log(store, name, i)), i + 1)
          })
        const fibers = yield* Effect.forEach(["a", "b", "c", "d"], (name, i) =>
          Effect.fork(using(i < 2 ? first.states : second, name))
        )
        const leased = yield* persistently(first.leases.acquire({ resource: "r", holder: "one", ttl: 60_000 }))

        const kill = server.signal("SIGKILL")
        for (const end of [kill, server.stop, kill, kill]) {
          const before = written.length
          yield* Effect.sleep(5).pipe(Effect.repeat({ until: () => written.length > before + 50 }))
          yield* end
          yield* Effect.sleep(100)
          yield* server.start
        }
        const before = written.length
        yield* Effect.sleep(5).pipe(Effect.repeat({ until: () => written.length > before + 50 }))
        yield* Ref.set(running, false)
        for (const fiber of fibers) yield* Fiber.join(fiber)

        const count = numberOf(yield* first.states.get("count"))
        assert.isAtLeast(count, counted)
        assert.isAtMost(count, counted + unsure)
        const found = yield* second.getMany(written.map(({ key }) => key))
        for (const { key, value, version } of written) assert.deepStrictEqual(found.get(key), { value, version })
        assert.strictEqual(new Set(written.map(({ version }) => version)).size, written.length)
        assert.isAbove(failures, 0)
        const again = yield* first.leases.get("r")
        if (leased._tag === "Acquired") {
          assert.deepStrictEqual(
            Option.map(again, ({ token }) => token),
            Option.some(leased.lease.token)
          )
        } else assert.fail("nobody else wants it")
      }),
    20_000
  )

  it.scopedLive(
    "hangs makes what waits for it fail, with the streams, until it goes on",
    () =>
      Effect.gen(function* () {
        const server = yield* Server.redis()
        const { leases, own, states } = yield* open(server.url, { timeout: 150, connectTimeout: 150 })
        const version = yield* states.set("k", "a")
        const changed: Array<string> = []
        const listening = yield* Option.getOrThrow(states.changes)("").pipe(
          Stream.runForEach(({ key }) => Effect.sync(() => void changed.push(key))),
          Effect.fork
        )
        yield* Effect.repeat(states.set("heard", "a"), {
          until: () => changed.length > 0,
          schedule: Schedule.spaced(1)
        })

        yield* server.signal("SIGSTOP")
        const request = { resource: "r", holder: "one", ttl: 60_000 }
        // twice: with the connection that there is, and with one that would have to be made
        for (let i = 0; i < 2; i++) {
          const errors = yield* Effect.all(
            [states.get("k"), states.set("l", "a"), states.delete("m"), leases.acquire(request), leases.get("r")].map(
              (call: Effect.Effect<unknown, StoreError>) => Effect.flip(call)
            ),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            errors.map(({ reason }) => reason),
            errors.map(() => "unavailable")
          )
          assert.deepStrictEqual(
            errors.map(({ operation }) => operation),
            ["get", "set", "delete", "acquire", "get"]
          )
        }
        assert.strictEqual((yield* Effect.flip(Fiber.join(listening))).reason, "unavailable")
        // also where it may not be interrupted
        assert.strictEqual((yield* Effect.flip(Effect.uninterruptible(states.get("k")))).reason, "unavailable")
        const refused = yield* Effect.flip(Effect.scoped(Layer.build(RedisStore.layer(own))))
        assert.strictEqual(refused.reason, "unavailable")
        // one that writes waits for its answer, and no longer
        const waiting = yield* Effect.fork(states.set("n", "a"))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(waiting)

        yield* server.signal("SIGCONT")
        assert.deepStrictEqual(yield* persistently(states.get("k")), Option.some({ value: "a", version }))
        assert.isAbove(yield* states.set("k", "b"), version)
        assert.strictEqual((yield* leases.acquire(request))._tag, "Acquired")
        const heard = yield* Option.getOrThrow(states.changes)("k").pipe(Stream.runHead, Effect.fork)
        yield* Effect.repeat(states.set("k", "c"), {
          until: () => Effect.map(Fiber.poll(heard), Option.isSome),
          schedule: Schedule.spaced(1)
        })
        assert.strictEqual(Option.getOrThrow(yield* Fiber.join(heard)).key, "k")
      }),
    20_000
  )

  it.scopedLive(
    "is cut off without a word is connected to anew",
    () =>
      Effect.gen(function* () {
        const server = yield* Server.redis()
        const { connections, port } = yield* proxy(server.port)
        const { states } = yield* open(`redis://127.0.0.1:${port}`, { timeout: 150, connectTimeout: 300 })
        const version = yield* states.set("k", "a")
        const listening = yield* Effect.fork(Stream.runDrain(Option.getOrThrow(states.changes)("")))
        yield* Effect.sleep(1).pipe(Effect.repeat({ until: () => connections.length > 1 }))
        for (const connection of connections) connection.unpipe()
        assert.strictEqual((yield* Effect.flip(states.get("k"))).reason, "unavailable")
        assert.deepStrictEqual(yield* states.get("k"), Option.some({ value: "a", version }))
        assert.strictEqual((yield* Effect.flip(Fiber.join(listening))).reason, "unavailable")
      }),
    20_000
  )

  it.scopedLive(
    "is away, full, a replica or busy says so, changes nothing, and works again after it",
    () =>
      Effect.gen(function* () {
        const server = yield* Server.redis()
        const { leases, own, states } = yield* open(server.url, { timeout: "2 seconds" })
        const send = yield* RedisPrefix.connect(server.url)
        const version = yield* states.set("k", "a")
        const request = { resource: "r", holder: "one", ttl: 60_000 }
        const acquired = yield* leases.acquire(request)
        const token = acquired._tag === "Acquired" ? acquired.lease.token : assert.fail("nobody else wants it")
        const writes: Record<string, Effect.Effect<unknown, StoreError>> = {
          set: states.set("l", "b"),
          compareAndSet: states.compareAndSet("k", version, "b"),
          acquire: leases.acquire({ ...request, resource: "s" }),
          renew: leases.renew({ ...request, token }),
          enqueue: leases.enqueue({ ...request, resource: "t" })
        }
        const size = send("DBSIZE")
        const sized = yield* size
        const fail = (reason: StoreError["reason"]) =>
          Effect.gen(function* () {
            for (const [operation, write] of Object.entries(writes)) {
              const error = yield* Effect.flip(write)
              assert.deepStrictEqual([error.reason, error.operation], [reason, operation], error.message)
            }
            assert.deepStrictEqual(yield* states.get("k"), Option.some({ value: "a", version }))
            assert.strictEqual(yield* size, sized)
          })

        yield* send("CONFIG", "SET", "maxmemory", "1")
        yield* fail("full")
        assert.isFalse(yield* states.delete("other"))
        yield* send("CONFIG", "SET", "maxmemory", "0")

        yield* send("REPLICAOF", "127.0.0.1", "1")
        yield* fail("unavailable")
        yield* send("REPLICAOF", "NO", "ONE")

        // a script of somebody else's that does not end
        yield* send("CONFIG", "SET", "busy-reply-threshold", "5")
        const somebody = yield* RedisPrefix.connect(server.url)
        const stuck = yield* Effect.fork(Effect.exit(somebody("EVAL", "while true do end", "0")))
        const busy = yield* Effect.repeat(Effect.either(states.get("k")), { until: Either.isLeft })
        assert.strictEqual(Either.getOrThrow(Either.flip(busy)).reason, "busy")
        yield* send("SCRIPT", "KILL")
        yield* Fiber.join(stuck)
        assert.deepStrictEqual(yield* states.get("k"), Option.some({ value: "a", version }))

        // interrupted, what was sent waits for its answer: nothing happens after that
        yield* send("CLIENT", "PAUSE", "100", "WRITE")
        const interrupted = yield* Effect.fork(states.set("late", "a"))
        yield* send("PING")
        yield* Fiber.interrupt(interrupted)
        assert.strictEqual(yield* send("HGET", `{${own.prefix}}:state:late`, "value"), "a")

        yield* send("CONFIG", "SET", "requirepass", "open-sesame")
        const error = yield* Effect.flip(Effect.scoped(Layer.build(RedisStore.layer(own))))
        assert.strictEqual(error.reason, "failed")
        assert.include(error.message, "NOAUTH")
        yield* send("CONFIG", "SET", "requirepass", "")

        yield* server.stop
        assert.strictEqual((yield* Effect.flip(states.get("k"))).reason, "unavailable")
        assert.strictEqual((yield* Effect.flip(leases.get("r"))).reason, "unavailable")
        yield* server.start
        // it has kept nothing, and counts on
        assert.deepStrictEqual(yield* states.get("k"), Option.none())
        assert.isAbove(yield* states.set("k", "b"), version)
      }),
    20_000
  )
})
