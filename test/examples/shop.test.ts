/** The shop of `docs/examples/shop`: its server is started, called, and started again. */
import { HttpBody, HttpClient } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Ref } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Shop from "../../docs/examples/shop/Shop.js"
import * as Web from "../../docs/examples/shop/Web.js"

const file = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-shop-"))),
    (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
  ),
  (folder) => Path.join(folder, "shop.db")
)

interface World {
  readonly gateway: Shop.Gateway["Type"]
  readonly parcels: Ref.Ref<ReadonlyArray<string>>
}

/** What is outside of the shop, and outlives it. */
const world = (charge: Shop.Gateway["Type"]["charge"]) =>
  Effect.map(Ref.make<ReadonlyArray<string>>([]), (parcels): World => ({ gateway: { charge }, parcels }))

/** The server on a free port, for as long as the calls last. */
const serving =
  (filename: string, { gateway, parcels }: World) =>
  <A, E>(calls: Effect.Effect<A, E, HttpClient.HttpClient>) =>
    calls.pipe(
      Effect.provide(
        Web.layer.pipe(
          Layer.provide(Shop.layer(filename)),
          Layer.provide(Layer.succeed(Shop.Gateway, gateway)),
          Layer.provide(
            Layer.succeed(Shop.Parcels, {
              send: (receipt, key) => Ref.update(parcels, (sent) => [...sent, `${receipt} ${key}`])
            })
          ),
          Layer.provideMerge(NodeHttpServer.layerTest)
        )
      )
    )

interface Answer {
  readonly status: number
  readonly body: { readonly [key: string]: unknown }
  readonly retryAfter: string | undefined
}

const answered = <E, R>(call: (client: HttpClient.HttpClient) => Effect.Effect<Answer, E, R>) =>
  Effect.flatMap(HttpClient.HttpClient, call)

const post = (path: string, body: unknown = {}) =>
  answered((client) =>
    Effect.flatMap(client.post(path, { body: HttpBody.unsafeJson(body) }), (response) =>
      Effect.map(response.json, (json) => ({
        status: response.status,
        body: json as Answer["body"],
        retryAfter: response.headers["retry-after"]
      }))
    )
  )

const get = (path: string) =>
  answered((client) =>
    Effect.flatMap(client.get(path), (response) =>
      Effect.map(response.json, (json) => ({
        status: response.status,
        body: json as Answer["body"],
        retryAfter: undefined
      }))
    )
  )

const heddles = (id: string, quantity: number) => ({ id, lines: [{ sku: "heddle", quantity }] })

describe("the shop", () => {
  it.scopedLive("takes an order from its lines to the parcel, once, also when it is started again", () =>
    Effect.gen(function* () {
      const filename = yield* file
      const charges: Array<string> = []
      const outside = yield* world((cents, key) => Effect.sync(() => `${key}-${charges.push(`${key} ${cents}`)}`))
      const paid = { id: "a", state: "paid", cents: 1050, receipt: "a-1" }

      yield* Effect.gen(function* () {
        const twice = yield* Effect.all([post("/orders", heddles("a", 3)), post("/orders", heddles("a", 3))], {
          concurrency: "unbounded"
        })
        for (const { body, status } of twice) assert.deepStrictEqual([status, body], [201, { receipt: "a-1" }])
        const { checkout, ...order } = (yield* get("/orders/a")).body
        assert.deepStrictEqual(order, paid)
        assert.deepInclude(checkout, { status: "completed", failed: [] })
      }).pipe(serving(filename, outside))

      yield* Effect.gen(function* () {
        assert.deepStrictEqual((yield* post("/orders", heddles("a", 3))).body, { receipt: "a-1" })
        assert.deepInclude((yield* get("/orders/a")).body, paid)
      }).pipe(serving(filename, outside))

      assert.deepStrictEqual(charges, ["a 1050"])
      assert.lengthOf(yield* Ref.get(outside.parcels), 1)
    })
  )

  it.scopedLive("says what is wrong with an order", () =>
    Effect.gen(function* () {
      const outside = yield* world((cents) => new Shop.Declined({ cents }))
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* post("/orders", heddles("a", 0))).status, 400)
        assert.strictEqual((yield* get("/orders/nobody")).status, 404)
        assert.deepInclude(yield* post("/orders", { id: "a", lines: [{ sku: "toString", quantity: 1 }] }), {
          status: 422,
          body: { error: "UnknownSku", sku: "toString" }
        })
        assert.deepInclude(yield* post("/orders", heddles("b", 1)), {
          status: 402,
          body: { error: "Declined", cents: 350 }
        })
        assert.deepInclude((yield* get("/orders/b")).body, { state: "refused", receipt: null })
        // the same id is the same order
        assert.strictEqual((yield* post("/orders", heddles("b", 2))).status, 409)
      }).pipe(serving(":memory:", outside))
    })
  )

  it.scopedLive("leaves a gateway alone that is down, and goes on with the order where it was", () =>
    Effect.gen(function* () {
      const filename = yield* file
      const isUp = yield* Ref.make(false)
      const calls = yield* Ref.make(0)
      const outside = yield* world((_, key) =>
        Effect.zipRight(
          Ref.update(calls, (n) => n + 1),
          Effect.flatMap(Ref.get(isUp), (up) => (up ? Effect.succeed(key) : new Shop.GatewayDown()))
        )
      )
      yield* Effect.gen(function* () {
        for (const id of ["a", "b", "c"]) assert.strictEqual((yield* post("/orders", heddles(id, 1))).status, 502)
        assert.strictEqual(yield* Ref.get(calls), 9, "three attempts each")
        const refused = yield* post("/orders", heddles("d", 1))
        assert.strictEqual(refused.status, 503)
        assert.isAtMost(Number(refused.retryAfter), 30)
        assert.isAbove(Number(refused.retryAfter), 20)
        assert.strictEqual(yield* Ref.get(calls), 9, "it was not called")
      }).pipe(serving(filename, outside))

      yield* Ref.set(isUp, true)
      yield* Effect.gen(function* () {
        // the breaker is in the store: it is as it was
        assert.strictEqual((yield* post("/orders", heddles("e", 1))).status, 503)
        assert.strictEqual((yield* post("/orders/a/retry")).status, 503)
        assert.strictEqual(yield* Ref.get(calls), 9)
      }).pipe(serving(filename, outside))
    })
  )

  it.scopedLive("tries an order again whose card was changed", () =>
    Effect.gen(function* () {
      const limit = yield* Ref.make(100)
      const outside = yield* world((cents, key) =>
        Effect.flatMap(Ref.get(limit), (limit) => (cents > limit ? new Shop.Declined({ cents }) : Effect.succeed(key)))
      )
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* post("/orders", heddles("a", 1))).status, 402)
        yield* Ref.set(limit, 1000)
        assert.deepInclude(yield* post("/orders/a/retry"), { status: 201, body: { receipt: "a" } })
        assert.deepInclude((yield* get("/orders/a")).body, { state: "paid", receipt: "a" })
      }).pipe(serving(":memory:", outside))
    })
  )
})
