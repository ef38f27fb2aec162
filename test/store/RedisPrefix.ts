/** Keys of a test's own in a Redis server. */
import { RedisClient } from "@redis/client"
import { Effect, Redacted, type Scope } from "effect"
import type * as RedisStore from "heddle/store/RedisStore"
import * as Crypto from "node:crypto"

const client = (url: string) => {
  const made = new RedisClient({ url, RESP: 2, maintNotifications: "disabled" })
  // of a server that is stopped by its test
  made.on("error", () => {})
  return made
}

/** Sends commands to the server, past the store. */
export const connect = (
  url: string
): Effect.Effect<(...command: ReadonlyArray<string>) => Effect.Effect<unknown>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => client(url).connect()),
      (connected) => Effect.sync(() => connected.destroy())
    ),
    (connected) =>
      (...command) =>
        Effect.promise(() => connected.sendCommand<unknown>(command))
  )

let cleaning: { readonly url: string; readonly connected: Promise<ReturnType<typeof client>> } | undefined

/** One connection for all tests of a file; it keeps no process alive. */
const cleaner = (url: string) => {
  if (cleaning?.url !== url) {
    const connecting = client(url)
    connecting.unref()
    cleaning = { url, connected: connecting.connect() }
  }
  return cleaning.connected
}

export const deleteKeys = (url: string, prefix: string) => Effect.promise(() => clean(url, prefix))

const clean = async (url: string, prefix: string) => {
  const connected = await cleaner(url)
  let cursor = "0"
  do {
    // what SCAN answers with
    const [next, keys] = await connected.sendCommand<[string, ReadonlyArray<string>]>([
      ...["SCAN", cursor, "MATCH", `{${prefix}}:*`, "COUNT", "10000"]
    ])
    if (keys.length > 0) await connected.sendCommand(["DEL", ...keys])
    cursor = next
  } while (cursor !== "0")
}

/** Options with a prefix that nobody else uses, whose keys are deleted with the scope. */
export const options = (
  url: string
): Effect.Effect<RedisStore.Options & { readonly prefix: string }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => ({ url: Redacted.make(url), prefix: `heddle-test-${Crypto.randomUUID()}` })),
    ({ prefix }) => deleteKeys(url, prefix)
  )
