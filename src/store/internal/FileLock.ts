/**
 * One process at a time in a folder: each has a file there whose name says who it is.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import type { StoreError } from "../../model/StoreError.js"
import * as FileErrors from "./FileErrors.js"

interface Owner {
  readonly host: string
  readonly pid: number
  /** When the process began, as its system counts; "0" where it does not say. */
  readonly birth: string
}

const pattern = /^lock-([0-9a-f]{16})-([0-9]+)-([0-9]+)-[0-9]+$/

export const isLock = (name: string): boolean => pattern.test(name)

const ownerOf = (name: string): Owner | undefined => {
  const [, host, pid, birth] = pattern.exec(name) ?? []
  return host === undefined || pid === undefined || birth === undefined ? undefined : { host, pid: Number(pid), birth }
}

/** What Linux says of a process; undefined elsewhere, and when there is none. */
const statusOf = (pid: number): { readonly state: string; readonly birth: string } | undefined => {
  try {
    const text = Fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    // the name of the program, in brackets, may have any characters
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    return { state: fields[0] ?? "", birth: fields[19] ?? "0" }
  } catch {
    return undefined
  }
}

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // it is there, and another user's
    return FileErrors.code(error) === "EPERM"
  }
}

const here = (): Owner => ({
  host: Crypto.createHash("sha256").update(Os.hostname()).digest("hex").slice(0, 16),
  pid: process.pid,
  birth: statusOf(process.pid)?.birth ?? "0"
})

/** Nobody knows of a process of another machine, so it counts as alive. The number of a process may be another's by now. */
const isDead = (owner: Owner, host: string): boolean => {
  if (owner.host !== host) return false
  if (!exists(owner.pid)) return true
  const status = statusOf(owner.pid)
  if (status === undefined) return false
  return status.state === "Z" || status.state === "X" || (owner.birth !== "0" && owner.birth !== status.birth)
}

const busy = (location: string, name: string, owner: Owner, host: string): StoreError =>
  FileErrors.make(
    "busy",
    location,
    "layer",
    owner.host === host
      ? `${location}: the process ${owner.pid} uses it: a folder is for one process and one layer at a time`
      : `${location}: a process of another machine uses it, or did not end well: when it is gone, remove ${Path.join(location, name)}`
  )

const own = (location: string, { birth, host, pid }: Owner): string => {
  for (let i = 0; ; i++) {
    const name = `lock-${host}-${pid}-${birth}-${i}`
    try {
      Fs.closeSync(Fs.openSync(Path.join(location, name), "wx"))
      return name
    } catch (error) {
      if (FileErrors.code(error) !== "EEXIST") throw error
    }
  }
}

/**
 * Holds the folder until the scope ends; fails with `busy` when another holds it. Who has put its own file there and sees
 * no other's holds it: of two who come at once, the one that looks last sees the other, so they are never both let in
 * (but may both be refused). Files of processes that are dead are removed.
 */
export const hold = (location: string): Effect.Effect<void, StoreError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => own(location, here()),
      catch: FileErrors.fromUnknown(location, "layer")
    }),
    (name) => Effect.sync(() => Fs.rmSync(Path.join(location, name), { force: true })).pipe(Effect.ignore)
  ).pipe(
    Effect.flatMap((mine) =>
      Effect.try({
        try: () => {
          const { host } = here()
          for (const name of Fs.readdirSync(location)) {
            const owner = ownerOf(name)
            if (owner === undefined || name === mine) continue
            if (!isDead(owner, host)) throw busy(location, name, owner, host)
            Fs.rmSync(Path.join(location, name), { force: true })
          }
        },
        catch: FileErrors.fromUnknown(location, "layer")
      })
    )
  )
