import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Clock,
  Deferred,
  Duration,
  Effect,
  Either,
  Exit,
  Fiber,
  FiberRef,
  Layer,
  Logger,
  Option,
  Ref,
  Scope,
  TestClock
} from "effect"
import { Lease, LeaseStore } from "heddle"
import * as Leases from "./Leases.js"

const ttl = "30 seconds"
// few steps of the clock
const test = Layer.provideMerge(Lease.layer({ owner: "me", poll: "5 seconds", place: "15 seconds" }), Leases.layer)

const holder = Effect.map(
  Lease.holder("r"),
  Option.map(({ holder }) => holder.split("/")[0])
)
const token = Effect.map(
  Lease.holder("r"),
  Option.map(({ token }) => token)
)
const isFree = Effect.map(holder, Option.isNone)
const control = Leases.Controlled

/** Until nothing happens any more; no time passes. */
const quiet = TestClock.adjust(0)

/** Somebody else, who has been there for long, takes what is not theirs. */
const steal = Effect.gen(function* () {
  const store = yield* LeaseStore.LeaseStore
  const { holder, token } = Option.getOrThrow(yield* store.get("r"))
  assert.isTrue(yield* store.release({ resource: "r", holder, token }))
  const stolen = yield* store.acquire({ resource: "r", holder: "thief", ttl: 1_000_000 })
  assert.strictEqual(stolen._tag, "Acquired")
})

/** A body that tells when it began, and when and how it ended. */
const body = Effect.gen(function* () {
  const began = yield* Deferred.make<number>()
  const ended = yield* Deferred.make<readonly [millis: number, how: "done" | "interrupted"]>()
  const at = (how: "done" | "interrupted") =>
    Effect.clockWith((clock) => Effect.flatMap(clock.currentTimeMillis, (now) => Deferred.succeed(ended, [now, how])))
  const run = (duration: Duration.DurationInput) =>
    Effect.gen(function* () {
      yield* Deferred.succeed(began, yield* Lease.token)
      yield* Effect.sleep(duration)
      return "done"
    }).pipe(Effect.onExit((exit) => at(Exit.isSuccess(exit) ? "done" : "interrupted")))
  return { began, ended, run }
})

describe("withLease", () => {
  it.effect("runs the effect with its token, and releases the resource after it", () =>
    Effect.gen(function* () {
      const result = yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* holder, Option.some("me"))
        assert.isTrue(yield* Lease.isHeld)
        return [yield* Lease.token, yield* token] as const
      }).pipe(Lease.withLease("r", ttl))
      assert.deepStrictEqual(result, [1, Option.some(1)])
      assert.isTrue(yield* isFree)
      assert.strictEqual(yield* Lease.token.pipe(Lease.withLease("r", { ttl })), 2)
      assert.deepStrictEqual((yield* control).calls, ["acquire", "get", "get", "release", "get", "acquire", "release"])
    }).pipe(Effect.provide(test))
  )

  it.effect("renews it for as long as the effect runs", () =>
    Effect.gen(function* () {
      const { run } = yield* body
      const fiber = yield* Effect.fork(run("10 minutes").pipe(Lease.withLease("r", ttl)))
      for (let i = 0; i < 59; i++) {
        yield* TestClock.adjust("10 seconds")
        const lease = Option.getOrThrow(yield* Lease.holder("r"))
        assert.deepStrictEqual([lease.token, lease.remaining], [1, 30_000])
      }
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
      assert.isTrue(yield* isFree)
      const { calls } = yield* control
      // the last one is due when the effect ends
      assert.oneOf(calls.filter((call) => call === "renew").length, [59, 60])
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(calls.at(-1), "get")
    }).pipe(Effect.provide(test))
  )

  for (const [how, end] of [
    ["fails", Effect.fail("no")],
    ["dies", Effect.die("no")],
    ["is interrupted by itself", Effect.interrupt]
  ] as const) {
    it.effect(`releases it when the effect ${how}, and fails as that does`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Effect.zipRight(Effect.yieldNow(), end).pipe(Lease.withLease("r", ttl)))
        const bare = yield* Effect.exit(end)
        assert(Exit.isFailure(exit) && Exit.isFailure(bare))
        assert.deepStrictEqual(Cause.failures(exit.cause), Cause.failures(bare.cause))
        assert.deepStrictEqual(Cause.defects(exit.cause), Cause.defects(bare.cause))
        assert.strictEqual(Cause.isInterruptedOnly(exit.cause), Cause.isInterruptedOnly(bare.cause))
        assert.isTrue(yield* isFree)
      }).pipe(Effect.provide(test))
    )
  }

  it.effect("interrupted, it waits for the effect to end, under the lease, and releases it then", () =>
    Effect.gen(function* () {
      const held = yield* Ref.make<ReadonlyArray<boolean>>([])
      const finalizer = Effect.sleep("2 minutes").pipe(
        Effect.zipRight(isFree),
        Effect.flatMap((free) => Ref.update(held, (all) => [...all, free]))
      )
      const fiber = yield* Effect.fork(
        Effect.never.pipe(Effect.ensuring(Effect.orDie(finalizer)), Lease.withLease("r", ttl))
      )
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.interruptFork(fiber)
      yield* TestClock.adjust("119 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      assert.isFalse(yield* isFree)
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
      assert.deepStrictEqual(yield* Ref.get(held), [false])
      assert.isTrue(yield* isFree)
    }).pipe(Effect.provide(test))
  )

  it.effect("keeps what the effect has set in the fiber, and works where the caller cannot be interrupted", () =>
    Effect.gen(function* () {
      const ref = FiberRef.unsafeMake(0)
      yield* FiberRef.set(ref, 7).pipe(Lease.withLease("r", ttl), Effect.uninterruptible)
      assert.strictEqual(yield* FiberRef.get(ref), 7)
      assert.isTrue(yield* isFree)
    }).pipe(Effect.provide(test), Effect.scoped)
  )

  describe("when the lease is lost", () => {
    it.effect("because the store says so, interrupts the effect at once", () =>
      Effect.gen(function* () {
        const { ended, run } = yield* body
        const fiber = yield* Effect.fork(run("1 hour").pipe(Lease.withLease("r", ttl), Effect.flip))
        yield* TestClock.adjust("9 seconds")
        yield* steal
        yield* TestClock.adjust("1 second")
        const error = yield* Fiber.join(fiber)
        assert(error._tag === "LeaseLost")
        assert.deepStrictEqual([error.resource, error.token, error.reason], ["r", 1, "taken"])
        assert.include(error.message, "not this holder's any more")
        assert.deepStrictEqual(yield* Deferred.await(ended), [10_000, "interrupted"])
        assert.deepStrictEqual(yield* holder, Option.some("thief"))
      }).pipe(Effect.provide(test))
    )

    for (const [how, renew] of [
      ["fails", () => () => Leases.broken("unavailable")],
      ["dies", () => () => Effect.die("broken")],
      ["does not answer", () => () => Effect.never],
      ["does not answer, and cannot be interrupted", () => () => Effect.uninterruptible(Effect.never)]
    ] as const satisfies ReadonlyArray<readonly [string, Leases.Control["renew"]]>) {
      it.effect(`because the store ${how}, interrupts the effect before the ttl is over`, () =>
        Effect.gen(function* () {
          const { ended, run } = yield* body
          ;(yield* control).renew = renew
          const fiber = yield* Effect.fork(run("1 hour").pipe(Lease.withLease("r", ttl), Effect.flip))
          yield* TestClock.adjust(26_999)
          assert.isTrue(Option.isNone(yield* Deferred.poll(ended)))
          yield* TestClock.adjust(1)
          assert.deepStrictEqual(yield* Deferred.await(ended), [27_000, "interrupted"])
          const error = yield* Fiber.join(fiber)
          assert(error._tag === "LeaseLost")
          assert.deepStrictEqual([error.resource, error.token, error.reason], ["r", 1, "unproven"])
          assert.isDefined(error.cause)
          // the store answers again, and what was the holder's until now is let go of
          assert.isTrue(yield* isFree)
        }).pipe(Effect.provide(test))
      )
    }

    it.effect("counts from when the last request was sent that the store said yes to", () =>
      Effect.gen(function* () {
        const { ended, run } = yield* body
        const c = yield* control
        // the answer takes 8 seconds, and has taken place before or after that
        c.acquire = (store) => (request) => Effect.zipLeft(store.acquire(request), Effect.sleep("8 seconds"))
        c.renew = () => () => Effect.never
        const fiber = yield* Effect.fork(run("1 hour").pipe(Lease.withLease("r", ttl), Effect.flip))
        yield* TestClock.adjust(26_999)
        assert.isTrue(Option.isNone(yield* Deferred.poll(ended)))
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* Deferred.await(ended), [27_000, "interrupted"])
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "LeaseLost")
      }).pipe(Effect.provide(test))
    )

    it.effect("counts so with a renew whose answer takes long", () =>
      Effect.gen(function* () {
        const { ended, run } = yield* body
        const c = yield* control
        let renewals = 0
        c.renew = (store) => (request) =>
          renewals++ === 0 ? Effect.zipLeft(store.renew(request), Effect.sleep("8 seconds")) : Effect.never
        const fiber = yield* Effect.fork(run("1 hour").pipe(Lease.withLease("r", ttl), Effect.flip))
        // sent at 10 s
        yield* TestClock.adjust(36_999)
        assert.isTrue(Option.isNone(yield* Deferred.poll(ended)))
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* Deferred.await(ended), [37_000, "interrupted"])
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "LeaseLost")
      }).pipe(Effect.provide(test))
    )

    it.effect("a store that fails for a while does not lose it", () =>
      Effect.gen(function* () {
        const { run } = yield* body
        const c = yield* control
        let calls = 0
        // of four in a row the last one works, and one of them does not answer
        c.renew = (store) => (request) => {
          calls++
          return calls % 4 === 0 ? store.renew(request) : calls % 4 === 2 ? Effect.never : Leases.broken("busy")
        }
        const fiber = yield* Effect.fork(run("5 minutes").pipe(Lease.withLease("r", ttl)))
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual(yield* Fiber.join(fiber), "done")
      }).pipe(Effect.provide(test))
    )

    it.effect("waits for the effect's finalizers, and keeps what they failed with", () =>
      Effect.gen(function* () {
        ;(yield* control).renew = () => () => Leases.broken("closed")
        const fiber = yield* Effect.never.pipe(
          Effect.ensuring(Effect.zipRight(Effect.sleep("1 minute"), Effect.die("broken too"))),
          Lease.withLease("r", ttl),
          Effect.exit,
          Effect.fork
        )
        yield* TestClock.adjust("86 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* TestClock.adjust("1 second")
        const exit = yield* Fiber.join(fiber)
        assert(Exit.isFailure(exit))
        const [first] = Cause.failures(exit.cause)
        assert(first?._tag === "LeaseLost")
        assert.deepStrictEqual([...Cause.defects(exit.cause)], ["broken too"])
        assert.isFalse(Cause.isInterrupted(exit.cause))
      }).pipe(Effect.provide(test))
    )

    it.effect("an effect that cannot be interrupted comes to its end, and nobody is told that it was alone", () =>
      Effect.gen(function* () {
        ;(yield* control).renew = () => () => Leases.broken("unavailable")
        const seen: Array<boolean> = []
        const fiber = yield* Effect.gen(function* () {
          for (const _ of [1, 2, 3]) {
            seen.push(yield* Lease.isHeld)
            yield* Effect.sleep("13500 millis")
          }
          return "done"
        }).pipe(Effect.uninterruptible, Lease.withLease("r", ttl), Effect.flip, Effect.fork)
        yield* TestClock.adjust("41 seconds")
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "LeaseLost")
        assert.deepStrictEqual(seen, [true, true, false])
      }).pipe(Effect.provide(test))
    )

    it.effect("an effect that ends too late, before anybody has noticed, is not believed", () =>
      Effect.gen(function* () {
        // as a process that stood still: time has gone by, and no timer has fired
        let now = 0
        const clock: Clock.Clock = {
          ...Clock.make(),
          unsafeCurrentTimeMillis: () => now,
          unsafeCurrentTimeNanos: () => BigInt(now * 1e6)
        }
        const late = (millis: number) =>
          Effect.sync(() => (now += millis)).pipe(Lease.withLease("r", ttl), Effect.either, Effect.withClock(clock))
        assert.strictEqual((yield* late(26_999))._tag, "Right")
        const error = Either.flip(yield* late(27_000))
        assert(Either.isRight(error))
        assert.strictEqual(error.right._tag, "LeaseLost")
      }).pipe(Effect.provide(test))
    )

    it.effect("by either clock: one may be set, and the other stand still while the machine sleeps", () =>
      Effect.gen(function* () {
        for (const which of ["wall", "monotonic"]) {
          let now = 0
          const clock: Clock.Clock = {
            ...Clock.make(),
            unsafeCurrentTimeMillis: () => (which === "wall" ? now : -now),
            unsafeCurrentTimeNanos: () => (which === "wall" ? BigInt(0) : BigInt(now * 1e6))
          }
          const error = yield* Effect.sync(() => (now += 27_000)).pipe(
            Lease.withLease(which, ttl),
            Effect.withClock(clock),
            Effect.flip
          )
          assert.strictEqual(error._tag, "LeaseLost")
        }
      }).pipe(Effect.provide(test))
    )

    it.effect("interrupts what runs under it, other leases included", () =>
      Effect.gen(function* () {
        const c = yield* control
        c.renew = (store) => (request) =>
          request.resource === "r" ? Leases.broken("unavailable") : store.renew(request)
        const fiber = yield* Effect.never.pipe(
          Lease.withLease("s", ttl),
          Lease.withLease("r", ttl),
          Effect.flip,
          Effect.fork
        )
        yield* TestClock.adjust("27 seconds")
        const error = yield* Fiber.join(fiber)
        assert(error._tag === "LeaseLost")
        assert.strictEqual(error.resource, "r")
        assert.isTrue(Option.isNone(yield* Lease.holder("s")))
      }).pipe(Effect.provide(test))
    )
  })

  describe("a release", () => {
    for (const [how, release, seconds] of [
      ["fails", () => () => Leases.broken("unavailable", "release"), 0],
      ["dies", () => () => Effect.die("broken"), 0],
      ["does not answer", () => () => Effect.never, 30]
    ] as const satisfies ReadonlyArray<readonly [string, Leases.Control["release"], number]>) {
      it.effect(`that ${how} is logged: the ttl frees the resource`, () =>
        Effect.gen(function* () {
          const lines: Array<string> = []
          const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${String(message)}`))
          ;(yield* control).release = release
          const fiber = yield* Effect.succeed(1).pipe(
            Lease.withLease("r", ttl),
            Effect.provide(Logger.add(logger)),
            Effect.fork
          )
          yield* quiet
          assert.isFalse(yield* isFree)
          yield* TestClock.adjust(Duration.seconds(seconds))
          assert.strictEqual(yield* Fiber.join(fiber), 1)
          assert.lengthOf(lines, 1)
          assert.include(lines[0], 'WARN the lease of "r" could not be released: its time has to run out')
          yield* TestClock.adjust("30 seconds")
          assert.isTrue(yield* isFree)
        }).pipe(Effect.provide(test))
      )
    }
  })

  describe("inside of itself", () => {
    it.effect("is refused for the same resource, also further inside, and not for others", () =>
      Effect.gen(function* () {
        const inner = Lease.token.pipe(Lease.withLease("r", ttl), Effect.flip)
        const acquiring = Effect.scoped(Lease.acquire("r", { ttl })).pipe(Effect.flip)
        const errors = yield* Effect.all([inner, acquiring]).pipe(Lease.withLease("s", ttl), Lease.withLease("r", ttl))
        for (const error of errors) {
          assert(error._tag === "LeaseReentered")
          assert.deepStrictEqual([error.resource, error.token], ["r", 1])
          assert.include(error.message, '"r" is held by who asks for it, with the token 1')
        }
        assert.isTrue(yield* isFree)
        // of another store it is another resource
        const other = yield* Leases.process("other").pipe(Effect.provide(Layer.fresh(Leases.layer)))
        assert.strictEqual(yield* Lease.token.pipe(other.withLease("r", ttl), Lease.withLease("r", ttl)), 1)
      }).pipe(Effect.scoped, Effect.provide(test))
    )
  })
})

describe("waiting", () => {
  it.effect("gives the resource to those who wait in their order, across processes", () =>
    Effect.gen(function* () {
      const options = { poll: "5 seconds", place: "15 seconds" } as const
      const processes = [yield* Leases.process("a", options), yield* Leases.process("b", options), yield* Lease.Lease]
      const order: Array<number> = []
      const tokens: Array<number> = []
      const fibers: Array<Fiber.Fiber<void, unknown>> = []
      for (let i = 0; i < 9; i++) {
        const use = Effect.gen(function* () {
          order.push(i)
          tokens.push(yield* Lease.token)
          yield* Effect.sleep("7 seconds")
        })
        fibers.push(yield* Effect.fork(use.pipe(processes[i % 3]!.withLease("r", "15 seconds"))))
        yield* TestClock.adjust(1)
      }
      yield* TestClock.adjust("110 seconds")
      for (const fiber of fibers) yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        order,
        [...order].sort((a, b) => a - b)
      )
      assert.deepStrictEqual(
        tokens,
        [...new Set(tokens)].sort((a, b) => a - b)
      )
      assert.lengthOf(order, 9)
    }).pipe(Effect.scoped, Effect.provide(test))
  )

  it.effect("hands it on at once within a process, and after at most `poll` to another", () =>
    Effect.gen(function* () {
      const other = yield* Leases.process("b", { poll: "2 seconds" })
      const first = yield* Effect.forkScoped(Effect.sleep("1 minute").pipe(Lease.withLease("r", ttl)))
      yield* quiet
      const began: Array<string> = []
      const say = (name: string) => Effect.sync(() => began.push(name))
      const second = yield* Effect.fork(
        Effect.zipRight(say("second"), Effect.sleep("1 minute")).pipe(Lease.withLease("r", ttl))
      )
      yield* quiet
      const third = yield* Effect.fork(say("third").pipe(other.withLease("r", ttl)))
      yield* TestClock.adjust("59999 millis")
      assert.deepStrictEqual(began, [])
      yield* TestClock.adjust(1)
      yield* Fiber.join(first)
      assert.deepStrictEqual(began, ["second"])
      yield* TestClock.adjust("1 minute")
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(third)
      yield* Fiber.join(second)
    }).pipe(Effect.scoped, Effect.provide(test))
  )

  it.effect("of a holder that has vanished is for its ttl, and of one who waits for `place`", () =>
    Effect.gen(function* () {
      const store = yield* LeaseStore.LeaseStore
      yield* store.acquire({ resource: "r", holder: "vanished", ttl: 30_000 })
      yield* store.enqueue({ resource: "r", holder: "gone", ttl: 32_000 })
      const fiber = yield* Effect.fork(Lease.token.pipe(Lease.withLease("r", ttl)))
      yield* TestClock.adjust("31999 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), 2)
    }).pipe(Effect.provide(test))
  )

  it.effect("keeps its place however long it takes", () =>
    Effect.gen(function* () {
      const other = yield* Leases.process("b", { poll: "5 seconds", place: "15 seconds" })
      const order: Array<string> = []
      const use = (name: string) => Effect.sync(() => void order.push(name))
      const first = yield* Effect.fork(Effect.sleep("2 minutes").pipe(Lease.withLease("r", ttl)))
      yield* quiet
      const second = yield* Effect.fork(use("second").pipe(Lease.withLease("r", ttl)))
      yield* TestClock.adjust("1 minute")
      const third = yield* Effect.fork(use("third").pipe(other.withLease("r", ttl)))
      yield* TestClock.adjust("65 seconds")
      for (const fiber of [first, second, third]) yield* Fiber.join(fiber)
      assert.deepStrictEqual(order, ["second", "third"])
    }).pipe(Effect.scoped, Effect.provide(test))
  )

  it.effect("asks seldom, and only the first in line of a process does", () =>
    Effect.gen(function* () {
      const c = yield* control
      const holding = yield* Effect.fork(Effect.never.pipe(Lease.withLease("r", ttl)))
      yield* quiet
      const waiting = yield* Effect.forEach(Array.from({ length: 10 }), () =>
        Effect.fork(Effect.never.pipe(Lease.withLease("r", ttl)))
      )
      yield* TestClock.adjust("10 seconds")
      c.calls.length = 0
      yield* TestClock.adjust("60 seconds")
      const count = (name: string) => c.calls.filter((call) => call === name).length
      // once in 5 s at most, and once in a third of 15 s
      assert.isAtMost(count("acquire"), 14)
      assert.isAtMost(count("enqueue"), 130)
      yield* Fiber.interruptAll([holding, ...waiting])
    }).pipe(Effect.provide(test))
  )

  it.effect("ends after `waitAtMost`, tells who has it, and leaves the line", () =>
    Effect.gen(function* () {
      yield* Effect.fork(Effect.never.pipe(Lease.withLease("r", ttl)))
      yield* quiet
      const waiting = Lease.token.pipe(Lease.withLease("r", { ttl, waitAtMost: "1 minute" }), Effect.flip)
      const fiber = yield* Effect.fork(waiting)
      yield* TestClock.adjust("59999 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "LeaseTimedOut")
      assert.deepStrictEqual([error.resource, error.waited], ["r", 60_000])
      assert.match(error.holder ?? "", /^me\//)
      assert.match(error.message, /"r" was not free within 60000 ms: "me\/.*" holds it/)
      yield* steal
      const store = yield* LeaseStore.LeaseStore
      assert.isTrue(yield* store.release({ resource: "r", holder: "thief", token: 2 }))
      const next = yield* store.acquire({ resource: "r", holder: "next", ttl: 1 })
      assert.strictEqual(next._tag, "Acquired", "nobody waits")
    }).pipe(Effect.provide(test))
  )

  it.effect("with 0 does not wait, and tells that others come first where nobody has it", () =>
    Effect.gen(function* () {
      const store = yield* LeaseStore.LeaseStore
      yield* store.enqueue({ resource: "r", holder: "first", ttl: 1000 })
      const error = yield* Lease.token.pipe(Lease.withLease("r", { ttl, waitAtMost: 0 }), Effect.flip)
      assert(error._tag === "LeaseTimedOut")
      assert.deepStrictEqual([error.waited, error.holder], [0, undefined])
      assert.include(error.message, "others come first")
      assert.deepStrictEqual((yield* control).calls, ["enqueue", "acquire"])
    }).pipe(Effect.provide(test))
  )

  it.effect("interrupted leaves the line at once, and the next one is told", () =>
    Effect.gen(function* () {
      const c = yield* control
      const store = yield* LeaseStore.LeaseStore
      const scope = yield* Scope.make()
      yield* Scope.extend(Lease.acquire("r", { ttl: "10 hours" }), scope)
      const first = yield* Effect.fork(Effect.never.pipe(Lease.withLease("r", ttl)))
      yield* quiet
      const second = yield* Effect.fork(Lease.token.pipe(Lease.withLease("r", ttl)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(first)
      c.calls.length = 0
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Fiber.join(second), 2)
      assert.strictEqual((yield* store.acquire({ resource: "r", holder: "next", ttl: 1 }))._tag, "Acquired")
    }).pipe(Effect.provide(test))
  )

  for (const when of ["before", "after"] as const) {
    it.effect(`interrupted while the store answers, ${when} it has taken place, leaves nothing`, () =>
      Effect.gen(function* () {
        const c = yield* control
        c.acquire = (store) => (request) =>
          when === "before"
            ? Effect.zipRight(Effect.sleep("1 second"), store.acquire(request))
            : Effect.zipLeft(store.acquire(request), Effect.sleep("1 second"))
        const fiber = yield* Effect.fork(Effect.never.pipe(Lease.withLease("r", ttl)))
        yield* TestClock.adjust("500 millis")
        assert.strictEqual(yield* isFree, when === "before")
        yield* Fiber.interrupt(fiber)
        assert.isTrue(yield* isFree)
        yield* TestClock.adjust("1 minute")
        assert.isTrue(yield* isFree)
      }).pipe(Effect.provide(test))
    )
  }

  it.effect("a store that fails after it has taken place leaves nothing either", () =>
    Effect.gen(function* () {
      const c = yield* control
      c.acquire = (store) => (request) =>
        Effect.zipRight(store.acquire(request), Leases.broken("unavailable", "acquire"))
      const error = yield* Effect.flip(Lease.token.pipe(Lease.withLease("r", ttl)))
      assert(error._tag === "StoreError")
      assert.strictEqual(error.reason, "unavailable")
      assert.isTrue(yield* isFree)
    }).pipe(Effect.provide(test))
  )

  it.effect("on a store that does not answer ends with `waitAtMost`, or when it is interrupted", () =>
    Effect.gen(function* () {
      const c = yield* control
      const store = yield* LeaseStore.LeaseStore
      yield* store.acquire({ resource: "r", holder: "other", ttl: 1_000_000 })
      c.enqueue = () => () => Effect.never
      const fiber = yield* Effect.fork(
        Lease.token.pipe(Lease.withLease("r", { ttl, waitAtMost: "3 seconds" }), Effect.flip)
      )
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "LeaseTimedOut")
      const other = yield* Effect.fork(Lease.token.pipe(Lease.withLease("r", ttl)))
      yield* quiet
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(other)))
    }).pipe(Effect.provide(test))
  )
})

describe("acquire and tryAcquire", () => {
  it.effect("hold the resource until the scope closes", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      for (const acquire of [
        Effect.map(Lease.tryAcquire("r", { ttl }), Option.getOrThrow),
        Lease.acquire("r", { ttl })
      ]) {
        yield* Effect.gen(function* () {
          const held = yield* acquire
          assert.deepStrictEqual(yield* token, Option.some(held.token))
          assert.isTrue(yield* held.isHeld)
          assert.isTrue(Option.isNone(yield* Effect.scoped(Lease.tryAcquire("r", { ttl }))))
          yield* TestClock.adjust("20 seconds")
          assert.isTrue(yield* held.renew)
          yield* TestClock.adjust("20 seconds")
          assert.isTrue(yield* held.isHeld)
          assert.isFalse(yield* isFree)
          lines.push(held.token)
        }).pipe(Effect.scoped)
        assert.isTrue(yield* isFree)
      }
      assert.deepStrictEqual(lines, [1, 2])
    }).pipe(Effect.provide(test))
  )

  it.effect("say when it was lost: nobody renews it", () =>
    Effect.gen(function* () {
      const held = yield* Lease.acquire("r", { ttl })
      yield* TestClock.adjust("26999 millis")
      assert.isTrue(yield* held.isHeld)
      yield* TestClock.adjust(1)
      assert.isFalse(yield* held.isHeld)
      yield* TestClock.adjust("3 seconds")
      assert.isFalse(yield* held.renew)
      assert.isFalse(yield* held.release)
      assert.isTrue(yield* isFree)
    }).pipe(Effect.scoped, Effect.provide(test))
  )

  it.effect("release by hand, once", () =>
    Effect.gen(function* () {
      const c = yield* control
      yield* Effect.gen(function* () {
        const held = yield* Lease.acquire("r", { ttl })
        assert.isTrue(yield* held.release)
        assert.isTrue(yield* isFree)
        assert.isFalse(yield* held.isHeld)
        assert.isFalse(yield* held.release)
        c.calls.length = 0
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(c.calls, [])
    }).pipe(Effect.provide(test))
  )

  it.effect("refuse what the store refuses, and what is no number", () =>
    Effect.gen(function* () {
      for (const [resource, ttl] of [
        ["", "1 second"],
        ["r", 0],
        ["r", -5],
        ["r", Duration.infinity]
      ] as const) {
        const error = yield* Effect.flip(Effect.void.pipe(Lease.withLease(resource, ttl)))
        assert(error._tag === "StoreError")
        assert.strictEqual(error.reason, "failed")
      }
      for (const options of [{ margin: 0 }, { margin: 1 }, { margin: NaN }, { poll: 0 }, { place: 0 }]) {
        const exit = yield* Effect.exit(Leases.process("x", options))
        assert(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      }
    }).pipe(Effect.scoped, Effect.provide(test))
  )
})
