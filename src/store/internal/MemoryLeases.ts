/**
 * The leases of a `LeaseStore` in memory, and who waits for them.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Acquired, LeaseRow } from "../LeaseStore.js"

interface Waiter {
  readonly ticket: number
  readonly expiresAt: number
}

/** `holder` is empty when the lease was released, and when there was none yet. */
interface Stored {
  readonly holder: string
  readonly token: number
  readonly expiresAt: number
  readonly waiters: HashMap.HashMap<string, Waiter>
}

export type Leases = HashMap.HashMap<string, Stored>

export const empty: Leases = HashMap.empty()

const free: Stored = { holder: "", token: 0, expiresAt: 0, waiters: HashMap.empty() }

const isHeld = ({ expiresAt, holder }: Stored, now: number): boolean => holder !== "" && now < expiresAt

const isOf = (stored: Stored, { holder, token }: { readonly holder: string; readonly token: number }, now: number) =>
  isHeld(stored, now) && stored.holder === holder && stored.token === token

/** Those who have not lost their place. */
const present = (leases: Leases, resource: string, now: number): Stored => {
  const stored = Option.getOrElse(HashMap.get(leases, resource), () => free)
  return HashMap.isEmpty(stored.waiters)
    ? stored
    : { ...stored, waiters: HashMap.filter(stored.waiters, ({ expiresAt }) => now < expiresAt) }
}

/** What has neither a token to remember nor anybody who waits leaves nothing behind. */
const put = (leases: Leases, resource: string, stored: Stored): Leases =>
  stored.token === 0 && HashMap.isEmpty(stored.waiters)
    ? HashMap.remove(leases, resource)
    : HashMap.set(leases, resource, stored)

const rowOf = (resource: string, { expiresAt, holder, token }: Stored, now: number): LeaseRow => ({
  resource,
  holder,
  token,
  remaining: expiresAt - now
})

export const get = (leases: Leases, resource: string, now: number): Option.Option<LeaseRow> => {
  const stored = present(leases, resource, now)
  return isHeld(stored, now) ? Option.some(rowOf(resource, stored, now)) : Option.none()
}

const othersComeFirst = (waiters: Stored["waiters"], holder: string): boolean => {
  const own = Option.match(HashMap.get(waiters, holder), { onNone: () => Infinity, onSome: ({ ticket }) => ticket })
  return HashMap.some(waiters, ({ ticket }) => ticket < own)
}

export const acquire = (
  leases: Leases,
  {
    above = 0,
    holder,
    resource,
    ttl
  }: {
    readonly resource: string
    readonly holder: string
    readonly ttl: number
    readonly above?: number | undefined
  },
  now: number
): readonly [Acquired, Leases] => {
  const stored = present(leases, resource, now)
  const held = isHeld(stored, now)
  const refused = held ? stored.holder !== holder : othersComeFirst(stored.waiters, holder)
  if (refused)
    return [{ _tag: "Held", lease: held ? Option.some(rowOf(resource, stored, now)) : Option.none() }, leases]
  const keeps = stored.holder === holder && stored.token > above
  const acquired: Stored = {
    holder,
    token: keeps ? stored.token : Math.max(stored.token, above) + 1,
    expiresAt: now + ttl,
    waiters: HashMap.remove(stored.waiters, holder)
  }
  return [{ _tag: "Acquired", lease: rowOf(resource, acquired, now) }, put(leases, resource, acquired)]
}

export const renew = (
  leases: Leases,
  request: { readonly resource: string; readonly holder: string; readonly token: number; readonly ttl: number },
  now: number
): readonly [boolean, Leases] => {
  const stored = present(leases, request.resource, now)
  if (!isOf(stored, request, now)) return [false, leases]
  return [true, put(leases, request.resource, { ...stored, expiresAt: now + request.ttl })]
}

export const release = (
  leases: Leases,
  request: {
    readonly resource: string
    readonly holder: string
    readonly token: number
    readonly forget?: boolean | undefined
  },
  now: number
): readonly [boolean, Leases] => {
  const stored = present(leases, request.resource, now)
  if (!isOf(stored, request, now)) return [false, leases]
  const token = request.forget === true ? 0 : stored.token
  return [true, put(leases, request.resource, { ...free, token, waiters: stored.waiters })]
}

export const enqueue = (
  leases: Leases,
  { holder, resource, ttl }: { readonly resource: string; readonly holder: string; readonly ttl: number },
  now: number
): readonly [number, Leases] => {
  const stored = present(leases, resource, now)
  const ticket = Option.match(HashMap.get(stored.waiters, holder), {
    onNone: () => HashMap.reduce(stored.waiters, 0, (last, { ticket }) => Math.max(last, ticket)) + 1,
    onSome: ({ ticket }) => ticket
  })
  const waiters = HashMap.set(stored.waiters, holder, { ticket, expiresAt: now + ttl })
  return [ticket, put(leases, resource, { ...stored, waiters })]
}

export const dequeue = (
  leases: Leases,
  { holder, resource }: { readonly resource: string; readonly holder: string },
  now: number
): Leases => {
  const stored = present(leases, resource, now)
  return put(leases, resource, { ...stored, waiters: HashMap.remove(stored.waiters, holder) })
}
