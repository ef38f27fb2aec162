/**
 * The points of a program, as they are found by running it to its end.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Cases from "./Cases.js"
import type { ChildFailed } from "./Child.js"
import * as Exploration from "./Exploration.js"
import type { Entry } from "./Journal.js"

/**
 * Where a child is killed.
 *
 * - `before`, `after`: before a write of its store begins; when it was made, and nobody was told yet
 * - `note`: when it has noted something
 * - `write`, `sync`: in place of a system call that would change one of the `files`, or that would wait until its changes
 *   are on disk. Needs strace, and so Linux
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = "before" | "after" | "note" | "write" | "sync"

/** A point, and how a child is killed there. */
export interface Target {
  readonly kind: Kind
  readonly point: number
  readonly at: string
  readonly fate: Exploration.Fate
}

interface Survey {
  readonly targets: ReadonlyArray<Target>
  readonly notRun: ReadonlyArray<{ readonly kind: Kind; readonly reason: string }>
}

const kindOf = { Before: "before", After: "after", Note: "note" } as const

const targetOf = (entry: Entry): Target => {
  const kind = kindOf[entry._tag]
  const at = entry._tag === "Note" ? entry.text : entry.operation
  return { kind, at, point: entry.point, fate: { kill: `${kind}:${entry.point}` } }
}

const isCall = (kind: Kind) => kind === "write" || kind === "sync"

const inJournal = (program: Exploration.Program, root: string) =>
  Effect.gen(function* () {
    const folder = yield* Cases.folder(root, "whole")
    return (yield* Exploration.toEnd(program, folder, "killed")).map(targetOf)
  })

const inCalls = (program: Exploration.Program, root: string) =>
  Effect.gen(function* () {
    const steps = yield* Exploration.watch(program, yield* Cases.folder(root, "watched"))
    const counts = { write: 0, sync: 0 }
    return steps.flatMap((step): ReadonlyArray<Target> => {
      if (step._tag !== "Syscall") return []
      const { file, kind, name, when } = step
      return [{ kind, point: ++counts[kind], at: `${name} ${file}`, fate: { call: { name, when } } }]
    })
  })

/** Fails when the program does not run to its end by itself. */
export const survey = (
  program: Exploration.Program,
  root: string,
  kinds: ReadonlyArray<Kind>
): Effect.Effect<Survey, ChildFailed> =>
  Effect.gen(function* () {
    const found: Array<Target> = []
    if (!kinds.every(isCall)) found.push(...(yield* inJournal(program, root)))
    const calls = kinds.some(isCall)
      ? yield* inCalls(program, root).pipe(
          Effect.map(Either.right),
          Effect.catchTag("StraceUnavailable", ({ reason }) => Effect.succeed(Either.left(reason)))
        )
      : Either.right([])
    if (Either.isRight(calls)) found.push(...calls.right)
    return {
      targets: found.filter(({ kind }) => kinds.includes(kind)),
      notRun: Either.isLeft(calls) ? kinds.filter(isCall).map((kind) => ({ kind, reason: calls.left })) : []
    }
  })
