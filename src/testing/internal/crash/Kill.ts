/**
 * One kill: the child that dies, what it leaves, and what becomes of that.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Cases from "./Cases.js"
import type { ChildFailed } from "./Child.js"
import * as Exploration from "./Exploration.js"
import type { Entry } from "./Journal.js"
import type { Kind, Target } from "./Targets.js"

/**
 * One killed child.
 *
 * - `point`: the number of the point, from 1; `at`: what was there, for people
 * - `directory`: the working directory of the child and of those that resume it, in which its files are
 * - `killed`, `resumed`: the journals of the killed child and of the one that resumed it; the second is empty until then,
 *   and when no command resumes it
 *
 * @since 0.1.0
 * @category models
 */
export interface Crash {
  readonly kind: Kind
  readonly point: number
  readonly at: string
  readonly directory: string
  readonly killed: ReadonlyArray<Entry>
  readonly resumed: ReadonlyArray<Entry>
}

interface Hooks<out E, out R> {
  readonly inspect?: (crash: Crash) => Effect.Effect<void, E, R>
  readonly resume: ReadonlyArray<string> | ((crash: Crash) => Effect.Effect<void, E, R>)
  readonly check: (crash: Crash) => Effect.Effect<void, E, R>
}

/** `isKilled`: it came to the point; `cause`: why it failed, if it did. */
interface Result<out E> {
  readonly crash: Crash
  readonly isKilled: boolean
  readonly cause: Cause.Cause<E | ChildFailed> | undefined
}

/** The folder of a case that fails stays. */
export const at =
  <E, R>({ check, inspect, resume }: Hooks<E, R>, program: Exploration.Program, root: string) =>
  ({ at, fate, kind, point }: Target): Effect.Effect<Result<E>, never, R> =>
    Effect.gen(function* () {
      const folder = yield* Cases.folder(root, `${kind}-${point}`)
      let crash: Crash = { kind, point, at, directory: folder.directory, killed: [], resumed: [] }
      let isKilled = false
      const explored = Effect.gen(function* () {
        const killed = yield* Exploration.toDeath(program, folder, fate)
        if (killed === undefined) return
        isKilled = true
        crash = { ...crash, killed }
        if (inspect !== undefined) yield* inspect(crash)
        if (typeof resume === "function") yield* resume(crash)
        else crash = { ...crash, resumed: yield* Exploration.toEnd({ ...program, command: resume }, folder, "resumed") }
        yield* check(crash)
      })
      return yield* Effect.matchCauseEffect(explored, {
        onSuccess: () => Effect.as(folder.remove, { crash, isKilled, cause: undefined }),
        onFailure: (cause) => Effect.succeed({ crash, isKilled, cause })
      })
    })
