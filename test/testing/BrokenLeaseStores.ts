/**
 * Stores of leases that do one thing wrong.
 */
import { Effect, Layer, Option } from "effect"
import { type LeaseRow, LeaseStore } from "heddle/store/LeaseStore"
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

/** Knows who has waited, and lets all but one leave the line. */
const waiting = (store: Store) => {
  const line: Array<Texts> = []
  return {
    enqueue: (request: Parameters<Store["enqueue"]>[0]) =>
      Effect.tap(store.enqueue(request), () => Effect.sync(() => line.push(request))),
    waits: ({ holder, resource }: Texts) => line.some((one) => one.holder === holder && one.resource === resource),
    leave: (resource: string, but?: string) =>
      Effect.forEach(
        line.filter((one) => one.resource === resource && one.holder !== but),
        (one) => store.dequeue(one),
        { discard: true }
      )
  }
}

/** Some pass over those who wait before them. */
const passing =
  (passes: (waits: boolean) => boolean): Change =>
  (store) => {
    const { enqueue, leave, waits } = waiting(store)
    return {
      enqueue,
      acquire: (request) =>
        Effect.flatMap(store.acquire(request), (answer) =>
          answer._tag === "Held" && Option.isNone(answer.lease) && passes(waits(request))
            ? Effect.zipRight(leave(request.resource, request.holder), store.acquire(request))
            : Effect.succeed(answer)
        )
    }
  }

const well = (text: string): string => `t ${new TextDecoder().decode(new TextEncoder().encode(text)).slice(0, 300)}`

const isNumber = (n: number | undefined): n is number => n !== undefined && Number.isSafeInteger(n) && n >= 0

/** `found`: how the names begin of the checks that state the promise which is broken. */
export const faults: ReadonlyArray<{
  readonly fault: string
  readonly change: Change
  readonly found: ReadonlyArray<string>
}> = [
  {
    fault: "finds nothing",
    change: () => ({ get: () => Effect.succeedNone }),
    found: ["acquire: makes the holder of what nobody holds"]
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
      "acquire: is refused while somebody else holds it, and changes nothing",
      "at the same time: one acquires what nobody has held",
      "at the same time: no two hold it, and tokens grow in the order in which it is held"
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
    found: ["acquire: by the same holder renews with the same token"]
  },
  {
    fault: "gives the last holder a new token",
    change: (store) => {
      let last = 0
      return {
        acquire: ({ above = 0, ...request }) =>
          Effect.flatMap(store.get(request.resource), (lease) =>
            store.acquire({ ...request, above: Option.isSome(lease) ? above : Math.max(above, last) })
          ).pipe(
            Effect.tap((answer) => {
              if (answer._tag === "Acquired") last = answer.lease.token
            })
          )
      }
    },
    found: ["acquire: by the last holder, whose time is over, keeps the token"]
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
      "renew and release: by anyone else change nothing and say so",
      "renew and release: of what nobody has held say so",
      "renew and release: free it at once, once",
      "the time of a lease: is over at its end, for all methods"
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
    found: ["the time of a lease: begins anew with renew, longer or shorter"]
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
      "renew and release: by anyone else change nothing and say so",
      "renew and release: of what nobody has held say so",
      "renew and release: free it at once, once",
      "the time of a lease: is over at its end, for all methods",
      "any operations"
    ]
  },
  {
    fault: "releases nothing",
    change: (store) => ({
      release: ({ holder, resource, token }) =>
        Effect.map(
          store.get(resource),
          Option.exists((lease) => lease.holder === holder && lease.token === token)
        )
    }),
    found: ["renew and release: free it at once, once"]
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
    found: ["acquire: gives a token above `above`"]
  },
  {
    fault: "counts from one more each time",
    change: acquiring((request) => ({
      ...request,
      above: Math.min(Number.MAX_SAFE_INTEGER - 1, (request.above ?? 0) + 1)
    })),
    found: ["acquire: gives a token above `above`", "renew and release: with `forget` also its token"]
  },
  {
    fault: "gives a longer time",
    change: acquiring((request) => ({ ...request, ttl: request.ttl + 1 })),
    found: ["the time of a lease: is over at its end, for all methods"]
  },
  {
    fault: "keeps a lease for longer than it tells",
    change: (store) => {
      const shorter = (lease: LeaseRow) => ({ ...lease, remaining: lease.remaining - 1 })
      return {
        acquire: (request) =>
          Effect.map(store.acquire({ ...request, ttl: request.ttl + 1 }), (answer) =>
            answer._tag === "Acquired"
              ? { ...answer, lease: shorter(answer.lease) }
              : { ...answer, lease: Option.map(answer.lease, shorter) }
          ),
        get: (resource) =>
          Effect.map(store.get(resource), (lease) =>
            Option.filter(Option.map(lease, shorter), ({ remaining }) => remaining > 0)
          )
      }
    },
    found: ["the time of a lease: is over at its end, for all methods"]
  },
  {
    fault: "has times of 32 bits",
    change: acquiring((request) => ({ ...request, ttl: Math.min(request.ttl, 2 ** 31 - 1) })),
    found: ["acquire: takes the largest numbers there are"]
  },
  {
    fault: "has tokens of 32 bits",
    change: acquiring(({ above = 0, ...request }) => ({ ...request, above: Math.min(above, 2 ** 31 - 1) })),
    found: ["acquire: takes the largest numbers there are"]
  },
  {
    fault: "has one resource",
    change: requests((request) => ({ ...request, resource: request.resource && "r" })),
    found: [
      "acquire: of one resource has nothing to do with another",
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
      "resources, holders and numbers: resources of any text are kept apart"
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
      "waiting in line: tickets grow, and who waits keeps its own",
      "waiting in line: those who wait acquire it in their order, and others after them",
      "at the same time: each who waits has a ticket of its own, and acquires it when its turn is",
      "any operations"
    ]
  },
  {
    fault: "lets those who wait acquire it in any order",
    change: passing((waits) => waits),
    found: [
      "waiting in line: those who wait acquire it in their order, and others after them",
      "at the same time: each who waits has a ticket of its own, and acquires it when its turn is"
    ]
  },
  {
    fault: "lets those acquire it who do not wait",
    change: passing((waits) => !waits),
    found: ["waiting in line: those who wait acquire it in their order, and others after them"]
  },
  {
    fault: "has no line before the first lease",
    change: (store) => {
      const leased = new Set<string>()
      return {
        acquire: (request) => Effect.tap(store.acquire(request), () => Effect.sync(() => leased.add(request.resource))),
        enqueue: (request) =>
          Effect.suspend(() =>
            leased.has(request.resource)
              ? store.enqueue(request)
              : Effect.zipLeft(store.enqueue(request), store.dequeue(request))
          )
      }
    },
    found: ["waiting in line: a line is there before the first lease, and after it was forgotten"]
  },
  {
    fault: "forgets the line with the lease",
    change: (store) => {
      const { enqueue, leave } = waiting(store)
      return {
        enqueue,
        release: (request) =>
          Effect.tap(store.release(request), () => (request.forget ? leave(request.resource) : Effect.void))
      }
    },
    found: ["waiting in line: a line is there before the first lease, and after it was forgotten"]
  },
  {
    fault: "keeps those who leave in line",
    change: () => ({ dequeue: () => Effect.void }),
    found: ["waiting in line: who leaves the line is in nobody's way, and begins at its end again"]
  },
  {
    fault: "gives a new place with each call",
    change: (store) => ({ enqueue: (request) => Effect.zipRight(store.dequeue(request), store.enqueue(request)) }),
    found: ["waiting in line: tickets grow, and who waits keeps its own"]
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
    found: ["waiting in line: who acquires it waits no longer"]
  },
  {
    fault: "has one line for all",
    change: (store) => ({
      enqueue: (request) => Effect.zipRight(store.enqueue({ ...request, resource: "t" }), store.enqueue(request)),
      dequeue: (request) => Effect.zipRight(store.dequeue({ ...request, resource: "r" }), store.dequeue(request))
    }),
    found: ["waiting in line: each resource has a line of its own"]
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
    found: ["waiting in line: who holds it is not held up by those who wait"]
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
    found: ["at the same time: one release finds it, and no renew does after that"]
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
