/**
 * The leases of a `LeaseStore` in Redis: a hash for each resource (`token`, and `holder` and `until` while it is held),
 * and two sorted sets of those who wait for it: by ticket, and by when they lose their place.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Acquired, LeaseRow, LeaseStore } from "../LeaseStore.js"
import * as LeaseRequest from "./LeaseRequest.js"
import * as RedisScript from "./RedisScript.js"
import type { RedisServer } from "./RedisServer.js"

const reading = `
local row = KEYS[1]
local now = present()
local function stored()
  local found = redis.call('HMGET', row, 'holder', 'token', 'until')
  local ends = tonumber(found[3] or 0)
  return { holder = found[1] or '', token = tonumber(found[2] or 0), ends = ends, held = found[1] and ends > now }
end
local function isOf(lease, holder, token)
  return lease.held and lease.holder == holder and lease.token == tonumber(token)
end`

const waiting = `
local line, times = KEYS[2], KEYS[3]
local function leaveLate()
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', times, '-inf', shown(now))) do
    redis.call('ZREM', line, name)
    redis.call('ZREM', times, name)
  end
end`

/** The token is larger than any that was given before the server had lost its data, unless the caller knows of those. */
const acquire = RedisScript.make(
  "writes",
  `${reading}${waiting}
local holder, ttl, above = ARGV[1], tonumber(ARGV[2]), ARGV[3]
redis.call('ZSCORE', line, holder)
redis.call('ZSCORE', times, holder)
local lease = stored()
if lease.held then
  if lease.holder ~= holder then return { 0, lease.holder, shown(lease.token), shown(lease.ends - now) } end
else
  leaveLate()
  local first = redis.call('ZRANGE', line, 0, 0)[1]
  if first and first ~= holder then return { 0 } end
end
local token = lease.token
if lease.holder ~= holder or token <= tonumber(above == '' and 0 or above) then
  token = math.max(token, above == '' and micros() or tonumber(above)) + 1
  if token > 9007199254740991 then
    return redis.error_reply('ERR the tokens of this resource are used up: release it with forget')
  end
end
redis.call('HSET', row, 'holder', holder, 'token', shown(token), 'until', shown(now + ttl))
redis.call('ZREM', line, holder)
redis.call('ZREM', times, holder)
return { 1, holder, shown(token), shown(ttl) }
`
)

const renew = RedisScript.make(
  "writes",
  `${reading}
if not isOf(stored(), ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', row, 'until', shown(now + tonumber(ARGV[3])))
return 1
`
)

// Without a holder, who had it is not the last one to have had it.
const release = RedisScript.make(
  "writes",
  `${reading}
if not isOf(stored(), ARGV[1], ARGV[2]) then return 0 end
if ARGV[3] == '1' then redis.call('DEL', row) else redis.call('HDEL', row, 'holder', 'until') end
return 1
`
)

const get = RedisScript.make(
  "reads",
  `${reading}
local lease = stored()
if not lease.held then return { 0 } end
return { 0, lease.holder, shown(lease.token), shown(lease.ends - now) }
`
)

const enqueue = RedisScript.make(
  "writes",
  `${reading}${waiting}
local holder, ends, owns = ARGV[1], now + tonumber(ARGV[2]), ARGV[3]
redis.call('ZCARD', line)
leaveLate()
local ticket = redis.call('ZSCORE', line, holder)
if not ticket then
  local last = redis.call('ZRANGE', line, -1, -1, 'WITHSCORES')
  ticket = tonumber(last[2] or 0) + 1
end
redis.call('ZADD', line, ticket, holder)
redis.call('ZADD', times, shown(ends), holder)
if owns == '1' then
  local latest = redis.call('ZRANGE', times, -1, -1, 'WITHSCORES')
  local gone = string.format('%.0f', math.ceil(tonumber(latest[2])))
  redis.call('PEXPIREAT', line, gone)
  redis.call('PEXPIREAT', times, gone)
end
return tonumber(ticket)
`
)

const dequeue = RedisScript.make(
  "writes",
  `
redis.call('ZCARD', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
`
)

// The scripts answer with whether it was acquired and, where somebody holds it, with who does.
type Reply = readonly [acquired: number, holder?: string, token?: string, remaining?: string]

const rowOf = (resource: string, [, holder, token, remaining]: Reply): Option.Option<LeaseRow> =>
  holder === undefined
    ? Option.none()
    : Option.some({ resource, holder, token: Number(token), remaining: Number(remaining) })

export const make = ({ key, location, ownsTime, run }: RedisServer): LeaseStore["Type"] => {
  const row = (resource: string) => key(`lease:${resource}`)
  const line = (resource: string) => [key(`line:${resource}`), key(`waiting:${resource}`)]

  const using = (
    operation: string,
    request: LeaseRequest.LeaseRequest,
    script: RedisScript.RedisScript,
    keys: ReadonlyArray<string>,
    ...given: ReadonlyArray<string>
  ) => Effect.zipRight(LeaseRequest.check(location, operation, request), run(operation, script, keys, given))

  const answered = Effect.map((reply: unknown) => reply === 1)

  return {
    acquire: (request) => {
      const { above, holder, resource, ttl } = request
      return Effect.map(
        using(
          "acquire",
          request,
          acquire,
          [row(resource), ...line(resource)],
          holder,
          String(ttl),
          above === undefined ? "" : String(above)
        ),
        (reply): Acquired => {
          const lease = rowOf(resource, reply as Reply)
          return (reply as Reply)[0] === 1 && Option.isSome(lease)
            ? { _tag: "Acquired", lease: lease.value }
            : { _tag: "Held", lease }
        }
      )
    },

    renew: (request) => {
      const { holder, resource, token, ttl } = request
      return answered(using("renew", request, renew, [row(resource)], holder, String(token), String(ttl)))
    },

    release: (request) => {
      const { forget, holder, resource, token } = request
      return answered(
        using("release", request, release, [row(resource)], holder, String(token), forget === true ? "1" : "0")
      )
    },

    get: (resource) =>
      Effect.map(using("get", { resource }, get, [row(resource)]), (reply) => rowOf(resource, reply as Reply)),

    enqueue: (request) => {
      const { holder, resource, ttl } = request
      return Effect.map(
        using(
          "enqueue",
          request,
          enqueue,
          [row(resource), ...line(resource)],
          holder,
          String(ttl),
          ownsTime ? "1" : "0"
        ),
        Number
      )
    },

    dequeue: (request) => Effect.asVoid(using("dequeue", request, dequeue, line(request.resource), request.holder))
  }
}
