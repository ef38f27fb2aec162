/**
 * Waiting for a resource. The line is that of the store, so that processes come in the order of their tickets. Of those
 * who wait in this process only the first one asks; it is told at once when the resource is let go of here.
 */
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type { StoreError } from "../../model/StoreError.js"
import type { LeaseRow, LeaseStore } from "../../store/LeaseStore.js"
import { moment, since, type Moment } from "./LeaseProof.js"

interface Waiter {
  readonly ticket: number
  readonly notice: Effect.Latch
}

export interface Request {
  readonly resource: string
  readonly holder: string
  readonly ttl: number
}

/** `sent`: when the store was asked; `lease`: what it gave, or who has it instead. */
export type Answer = { readonly sent: Moment } & Effect.Effect.Success<
  ReturnType<(typeof LeaseStore.Service)["acquire"]>
>

export interface LeaseLine {
  /** Asks once. */
  readonly ask: (request: Request) => Effect.Effect<Answer, StoreError>

  /**
   * Waits until it has the resource; `onHeld` is told who has it instead, each time that it asks.
   *
   * **Interruption**: leaves the line in this process, but not in the store, which may also have given it the resource.
   */
  readonly wait: (
    request: Request,
    onHeld: (lease: Option.Option<LeaseRow>) => Effect.Effect<void>
  ) => Effect.Effect<Answer & { readonly _tag: "Acquired" }, StoreError>

  /** The resource may be free: the first one who waits here asks at once. */
  readonly notify: (resource: string) => Effect.Effect<void>
}

const shortestPause = 10

/** `poll`: the longest pause between two questions; `place`: for how long who waits keeps its place without a word. */
export const make = (
  store: typeof LeaseStore.Service,
  { place, poll }: { readonly poll: number; readonly place: number }
): Effect.Effect<LeaseLine> =>
  Effect.map(Ref.make(HashMap.empty<string, ReadonlyArray<Waiter>>()), (lines): LeaseLine => {
    const lineOf = (resource: string) =>
      Effect.map(Ref.get(lines), (all): ReadonlyArray<Waiter> => Option.getOrElse(HashMap.get(all, resource), () => []))

    const change = (resource: string, f: (line: ReadonlyArray<Waiter>) => ReadonlyArray<Waiter>) =>
      Ref.update(
        lines,
        HashMap.modifyAt(resource, (line) =>
          Option.filter(Option.some(f(Option.getOrElse(line, () => []))), (line) => line.length > 0)
        )
      )

    const notify = (resource: string) =>
      Effect.flatMap(lineOf(resource), ([first]) => (first === undefined ? Effect.void : first.notice.open))

    const ask = (request: Request): Effect.Effect<Answer, StoreError> =>
      Effect.flatMap(moment, (sent) => Effect.map(store.acquire(request), (answer) => ({ ...answer, sent })))

    const wait: LeaseLine["wait"] = (request, onHeld) =>
      Effect.gen(function* () {
        const { holder, resource } = request
        const notice = yield* Effect.makeLatch(false)
        const leave = Effect.zipRight(
          change(resource, (line) => line.filter((waiter) => waiter.notice !== notice)),
          notify(resource)
        )
        let entered = yield* moment
        const enter = Effect.gen(function* () {
          entered = yield* moment
          const ticket = yield* store.enqueue({ resource, holder, ttl: place })
          yield* change(resource, (line) =>
            [...line.filter((waiter) => waiter.notice !== notice), { ticket, notice }].sort(
              (a, b) => a.ticket - b.ticket
            )
          )
        })
        return yield* Effect.gen(function* () {
          let pause = shortestPause
          yield* enter
          for (;;) {
            yield* notice.close
            let held = Infinity
            const [first] = yield* lineOf(resource)
            if (first?.notice === notice) {
              const answer = yield* ask(request)
              if (answer._tag === "Acquired") return answer
              yield* onHeld(answer.lease)
              if (Option.isSome(answer.lease)) held = Math.max(1, answer.lease.value.remaining)
            }
            const stays = Math.max(0, place / 3 - (yield* since(entered)))
            const isFirst = first?.notice === notice
            const noticed = yield* Effect.timeoutOption(notice.await, Math.min(isFirst ? pause : Infinity, held, stays))
            pause = Option.isSome(noticed) ? shortestPause : Math.min(poll, pause * 2)
            if ((yield* since(entered)) >= place / 3) yield* enter
          }
        }).pipe(Effect.ensuring(leave))
      })

    return { ask, notify, wait }
  })
