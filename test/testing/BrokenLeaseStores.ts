/**
 * Stores of leases that do one thing wrong.
 */
import { Effect, Layer, Option } from "effect"
import { LeaseStore } from "heddle/store/LeaseStore"
import * as LeaseStoreMemory from "heddle/store/LeaseStoreMemory"

type Store = typeof LeaseStore.Service
type Change = (store: Store) => Partial<Store>

/** The store in memory, with some methods of another behaviour. */
export const broken = (change: Change) =>
  Layer.effect(
    LeaseStore,
    Effect.map(LeaseStore, (store) => ({ ...store, ...change(store) }))
  ).pipe(Layer.provide(LeaseStoreMemory.layer()))

interface Texts {
  readonly resource: string
  readonly holder: string
}

/** Calls the store below with other requests. */
const requests =
  (f: <A extends Texts>(request: A) => A): Change =>
  (store) => ({
    acquire: (request) => store.acquire(f(request)),
    renew: (request) => store.renew(f(request)),
    release: (request) => store.release(f(request)),
    get: (resource) => store.get(f({ resource, holder: "h" }).resource),
    enqueue: (request) => store.enqueue(f(request)),
    dequeue: (request) => store.dequeue(f(request))
  })

const acquiring =
  (f: (request: Parameters<Store["acquire"]>[0]) => Parameters<Store["acquire"]>[0]): Change =>
  (store) => ({ acquire: (request) => store.acquire(f(request)) })

const later = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.zipRight(Effect.yieldNow(), effect)

const well = (text: string): string => `t ${new TextDecoder().decode(new TextEncoder().encode(text)).slice(0, 300)}`

const isNumber = (n: number | undefined): n is number => n !== undefined && Number.isSafeInteger(n) && n >= 0

/** `found`: how the names begin of the checks that find it. */
export const faults: ReadonlyArray<{
  readonly fault: string
  readonly change: Change
  readonly found: ReadonlyArray<string>
}> = [
  {
    fault: "finds nothing",
    change: () => ({ get: () => Effect.succeedNone }),
    found: [
      "acquire: by the last holder, whose time is over, keeps the token",
      "acquire: makes the holder of what nobody holds",
      "acquire: takes the largest numbers there are",
      "acquire: of one resource has nothing to do with another"
    ]
  },
  {
    fault: "gives it to everybody",
    change: (store) => ({
      acquire: (request) =>
        Effect.flatMap(store.get(request.resource), (lease) =>
          Effect.zipRight(Option.isSome(lease) ? store.release(lease.value) : Effect.void, store.acquire(request))
        )
    }),
    found: [
      "acquire: takes the largest numbers there are",
      "at the same time: one acquires what nobody has held",
      "acquire: is refused while somebody else holds it, and changes nothing",
      "at the same time: each who waits has a ticket of its own, and acquires it when its turn is"
    ]
  },
  {
    fault: "gives its own holder nothing",
    change: (store) => ({
      acquire: (request) =>
        Effect.flatMap(store.get(request.resource), (lease) =>
          Option.isSome(lease) ? Effect.succeed({ _tag: "Held", lease } as const) : store.acquire(request)
        )
    }),
    found: [
      "acquire: by the same holder renews with the same token",
      "waiting in line: who holds it is not held up by those who wait",
      "waiting in line: those who wait acquire it in their order, and others after them"
    ]
  },
  {
    fault: "renews for whoever holds it",
    change: (store) => ({
      renew: (request) =>
        Effect.flatMap(store.get(request.resource), (lease) =>
          Option.isSome(lease) ? store.renew({ ...request, ...lease.value }) : Effect.succeed(true)
        )
    }),
    found: [
      "acquire: gives a larger token to a holder that released it",
      "the time of a lease: is over at its end, for all methods",
      "renew and release: of what nobody has held say so",
      "renew and release: free it at once, once"
    ]
  },
  {
    fault: "renews nothing",
    change: (store) => ({
      renew: ({ resource, holder, token }) =>
        Effect.map(
          store.get(resource),
          Option.exists((l) => l.holder === holder && l.token === token)
        )
    }),
    found: [
      "the time of a lease: begins anew with renew, longer or shorter",
      "renew and release: by anyone else change nothing and say so",
      "resources, holders and numbers: other texts are refused by all methods, and change nothing"
    ]
  },
  {
    fault: "releases for anybody",
    change: (store) => ({
      release: (request) =>
        Effect.flatMap(store.get(request.resource), (lease) =>
          Option.isSome(lease) ? store.release({ ...request, ...lease.value }) : Effect.succeed(true)
        )
    }),
    found: [
      "any operations",
      "acquire: gives a larger token to a holder that released it",
      "the time of a lease: is over at its end, for all methods",
      "renew and release: of what nobody has held say so"
    ]
  },
  {
    fault: "forgets each token",
    change: (store) => ({ release: (request) => store.release({ ...request, forget: true }) }),
    found: [
      "at the same time: no two hold it, and tokens grow in the order in which it is held",
      "acquire: gives a larger token to each new holder",
      "acquire: gives a larger token to a holder that released it"
    ]
  },
  {
    fault: "forgets no token",
    change: (store) => ({ release: (request) => store.release({ ...request, forget: false }) }),
    found: ["renew and release: with `forget` also its token"]
  },
  {
    fault: "does not count from above",
    change: acquiring(({ above: _, ...request }) => request),
    found: [
      "acquire: takes the largest numbers there are",
      "at the same time: one acquires what was released, or has expired, with a larger token",
      "resources, holders and numbers: resources of any text are kept apart"
    ]
  },
  {
    fault: "counts from one more each time",
    change: acquiring((request) => ({
      ...request,
      above: Math.min(Number.MAX_SAFE_INTEGER - 1, (request.above ?? 0) + 1)
    })),
    found: [
      "resources, holders and numbers: resources of any text are kept apart",
      "renew and release: with `forget` also its token",
      "acquire: gives a token above `above`"
    ]
  },
  {
    fault: "gives a longer time",
    change: acquiring((request) => ({ ...request, ttl: request.ttl + 1 })),
    found: ["the time of a lease: is over at its end, for all methods"]
  },
  {
    fault: "has one resource",
    change: requests((request) => ({ ...request, resource: request.resource && "r" })),
    found: [
      "acquire: makes the holder of what nobody holds",
      "acquire: is refused while somebody else holds it, and changes nothing",
      "waiting in line: each resource has a line of its own"
    ]
  },
  {
    fault: "does not tell texts apart that differ in case",
    change: requests((request) => ({
      ...request,
      resource: request.resource.toLowerCase(),
      holder: request.holder.toLowerCase()
    })),
    found: [
      "resources, holders and numbers: holders of any text are kept apart",
      "resources, holders and numbers: resources of any text are kept apart",
      "renew and release: by anyone else change nothing and say so"
    ]
  },
  {
    fault: "takes any text",
    change: requests((request) => ({ ...request, resource: well(request.resource), holder: well(request.holder) })),
    found: ["resources, holders and numbers: other texts are refused by all methods, and change nothing"]
  },
  {
    fault: "mends numbers",
    change: (store) => ({
      acquire: ({ above, ttl, ...request }) =>
        store.acquire({
          ...request,
          ttl: ttl > 0 && ttl <= 1e12 ? ttl : 1,
          above: isNumber(above) ? Math.min(above, Number.MAX_SAFE_INTEGER - 1) : 0
        })
    }),
    found: ["resources, holders and numbers: times and numbers that are none are refused, and change nothing"]
  },
  {
    fault: "has no line",
    change: () => ({ enqueue: () => Effect.succeed(1) }),
    found: [
      "any operations",
      "waiting in line: tickets grow, and who waits keeps its own",
      "waiting in line: who acquires it waits no longer",
      "waiting in line: who has lost its place is in nobody's way"
    ]
  },
  {
    fault: "keeps those who leave in line",
    change: () => ({ dequeue: () => Effect.void }),
    found: [
      "waiting in line: who leaves the line is in nobody's way, and begins at its end again",
      "resources, holders and numbers: other texts are refused by all methods, and change nothing"
    ]
  },
  {
    fault: "gives a new place with each call",
    change: (store) => ({ enqueue: (request) => Effect.zipRight(store.dequeue(request), store.enqueue(request)) }),
    found: [
      "waiting in line: tickets grow, and who waits keeps its own",
      "waiting in line: who does not wait again in time has lost its place",
      "resources, holders and numbers: other texts are refused by all methods, and change nothing"
    ]
  },
  {
    fault: "keeps places for ever",
    change: (store) => ({ enqueue: (request) => store.enqueue({ ...request, ttl: 1e12 }) }),
    found: [
      "waiting in line: who has lost its place is in nobody's way",
      "waiting in line: the latest call says for how long",
      "waiting in line: who does not wait again in time has lost its place"
    ]
  },
  {
    fault: "keeps those in line who acquire",
    change: (store) => ({
      acquire: (request) =>
        Effect.tap(store.acquire(request), ({ _tag }) =>
          _tag === "Acquired" ? store.enqueue({ ...request, ttl: 100 }) : 0
        )
    }),
    found: [
      "acquire: gives a larger token to each new holder",
      "waiting in line: a line is there before the first lease, and after it was forgotten",
      "at the same time: an interrupted acquire has taken place or not, and the next one works"
    ]
  },
  {
    fault: "has one line for all",
    change: (store) => ({
      enqueue: (request) => Effect.zipRight(store.enqueue({ ...request, resource: "t" }), store.enqueue(request)),
      dequeue: (request) => Effect.zipRight(store.dequeue({ ...request, resource: "r" }), store.dequeue(request))
    }),
    found: [
      "waiting in line: each resource has a line of its own",
      "waiting in line: who leaves the line is in nobody's way, and begins at its end again"
    ]
  },
  {
    fault: "holds up who has it while others wait",
    change: (store) => ({
      renew: (request) =>
        Effect.flatMap(store.enqueue({ ...request, holder: "probe", ttl: 1 }), (ticket) =>
          Effect.zipRight(
            store.dequeue({ ...request, holder: "probe" }),
            ticket > 1 ? Effect.succeed(false) : store.renew(request)
          )
        )
    }),
    found: [
      "waiting in line: who holds it is not held up by those who wait",
      "resources, holders and numbers: other texts are refused by all methods, and change nothing",
      "resources, holders and numbers: times and numbers that are none are refused, and change nothing"
    ]
  },
  {
    fault: "asks, and acquires then",
    change: (store) => ({
      acquire: (request) =>
        Effect.flatMap(store.get(request.resource), (lease) =>
          Option.isSome(lease) && lease.value.holder !== request.holder
            ? store.acquire(request)
            : later(
                Effect.flatMap(store.get(request.resource), (now) =>
                  Effect.zipRight(Option.isSome(now) ? store.release(now.value) : Effect.void, store.acquire(request))
                )
              )
        )
    }),
    found: [
      "at the same time: one acquires what nobody has held",
      "acquire: by the same holder renews with the same token",
      "at the same time: one acquires what was released, or has expired, with a larger token"
    ]
  },
  {
    fault: "releases in two steps",
    change: (store) => ({
      release: (request) =>
        Effect.flatMap(store.get(request.resource), (lease) =>
          Effect.as(
            later(store.release(request)),
            Option.exists(lease, ({ holder, token }) => holder === request.holder && token === request.token)
          )
        )
    }),
    found: [
      "at the same time: one release finds it, and no renew does after that",
      "resources, holders and numbers: other texts are refused by all methods, and change nothing"
    ]
  },
  {
    fault: "leaves something behind when it is interrupted",
    change: (store) => ({
      acquire: (request) =>
        Effect.onInterrupt(later(later(store.acquire(request))), () =>
          Effect.ignore(store.acquire({ ...request, holder: "nobody" }))
        )
    }),
    found: ["at the same time: an interrupted acquire has taken place or not, and the next one works"]
  }
]
