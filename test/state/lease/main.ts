/** Writes under a lease, again and again, until it is lost: then it ends. */
// not by its package: undici, which comes with that, would take longer to load than all the rest
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Redacted, Schema } from "effect"
import { Lease } from "heddle"
import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
import * as PostgresStore from "heddle/store/PostgresStore"
import * as Journal from "./Journal.js"
import { resource, Settings } from "./Settings.js"

const { journal: file, leases, looks, name, ttl } = Schema.decodeSync(Schema.parseJson(Settings))(process.argv[2]!)
const store =
  leases._tag === "Sqlite"
    ? LeaseStoreSqlite.layer({ filename: leases.filename })
    : PostgresStore.layerLeaseStore({ url: Redacted.make(leases.url), schema: leases.schema })

const program = Effect.gen(function* () {
  const journal = yield* Journal.open(file)
  const writing = Effect.gen(function* () {
    const token = yield* Lease.token
    yield* journal.say(name, "acquired", token)
    const write = Effect.zipRight(journal.write(name, token), Effect.sleep("20 millis"))
    yield* looks
      ? Effect.uninterruptible(Effect.repeat(write, { while: () => Lease.isHeld }))
      : Effect.onInterrupt(Effect.forever(write), () => journal.say(name, "interrupted", token))
  })
  yield* journal.say(name, "asks", 0)
  yield* writing.pipe(
    Lease.withLease(resource, ttl),
    Effect.catchTag("LeaseLost", ({ token }) => journal.say(name, "lost", token))
  )
  yield* journal.say(name, "ended", 0)
}).pipe(Effect.scoped, Effect.provide(Layer.provide(Lease.layer({ owner: name }), store)))

NodeRuntime.runMain(program)
