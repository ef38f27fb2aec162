/** Files on a disk that fails: the methods of all file handles are others meanwhile. */
import { Effect } from "effect"
import * as Fs from "node:fs/promises"

type Method = "write" | "sync" | "truncate"

/** `write`, `sync`: which call fails, the first being 1, and with what; a write that fails has written half before. */
export interface Fails {
  readonly write?: number
  readonly sync?: number
  readonly code?: string
  readonly truncate?: boolean
}

export const failures: ReadonlyArray<{ readonly name: string; readonly fails: Fails }> = [
  { name: "ENOSPC in its line", fails: { write: 1, code: "ENOSPC" } },
  { name: "ENOSPC in its end", fails: { write: 2, code: "ENOSPC" } },
  { name: "EIO in its line", fails: { write: 1, code: "EIO" } },
  { name: "the first sync", fails: { sync: 1, code: "EIO" } },
  { name: "the last sync", fails: { sync: 2, code: "EIO" } }
]

const errorOf = (code: string): Error => Object.assign(new Error(`${code}: no`), { code })

type Handle = Record<Method, (...input: ReadonlyArray<any>) => Promise<any>>

/** The class of file handles is found by way of one. */
const methods: Effect.Effect<Handle> = Effect.promise(async () => {
  const handle = await Fs.open(import.meta.filename, "r")
  await handle.close()
  return Object.getPrototypeOf(handle) as Handle
})

const replaced = <A, E, R>(change: (own: Handle) => Partial<Handle>, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(methods, (prototype) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const { sync, truncate, write } = prototype
        const own = { sync, truncate, write }
        Object.assign(prototype, change(own))
        return own
      }),
      () => effect,
      (own) => Effect.sync(() => Object.assign(prototype, own))
    )
  )

/** Runs it while files fail. */
export const during = <A, E, R>(fails: Fails, effect: Effect.Effect<A, E, R>) => {
  const calls = { write: 0, sync: 0 }
  const code = fails.code ?? "EIO"
  return replaced(
    (own) => ({
      async write(data: Buffer, from: number, length: number, position: number) {
        if (++calls.write !== fails.write) return own.write.call(this, data, from, length, position)
        await own.write.call(this, data, from, length >> 1, position)
        throw errorOf(code)
      },
      async sync() {
        if (++calls.sync === fails.sync) throw errorOf(code)
        return own.sync.call(this)
      },
      async truncate(length: number) {
        if (fails.truncate === true) throw errorOf("EIO")
        return own.truncate.call(this, length)
      }
    }),
    effect
  )
}

/** Runs it while no write writes more than so many bytes; what was called. */
export const recorded = <A, E, R>(effect: Effect.Effect<A, E, R>, most: number) =>
  Effect.suspend(() => {
    const calls: Array<Method> = []
    return Effect.as(
      replaced(
        (own) => ({
          write(data: Buffer, from: number, length: number, position: number) {
            calls.push("write")
            return own.write.call(this, data, from, Math.min(length, most), position)
          },
          sync() {
            calls.push("sync")
            return own.sync.call(this)
          }
        }),
        effect
      ),
      calls
    )
  })
