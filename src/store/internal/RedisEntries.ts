/**
 * The entries of a `StateStore` in Redis: a hash each (`value`, `version`, and `until`, where its time runs out), the
 * sorted sets of their keys by name and by that time, and the last version. A row whose time has run out is there for
 * nobody, until it is removed.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Entry, KeyedEntry, SetOptions, StateStore } from "../StateStore.js"
import type { RedisServer } from "./RedisServer.js"
import * as RedisErrors from "./RedisErrors.js"
import * as RedisScript from "./RedisScript.js"
import * as StateTexts from "./StateTexts.js"
import * as TextOrder from "./TextOrder.js"

// More than a write adds, so that those that have expired become fewer, and few enough that no write takes long.
const removedPerWrite = 16

const reading = `
local function entryOf(row, now)
  local found = redis.call('HMGET', row, 'value', 'version', 'until')
  if not found[2] or (found[3] and tonumber(found[3]) <= now) then return nil end
  return found
end
local function versionOf(row, now)
  local found = redis.call('HMGET', row, 'version', 'until')
  if not found[1] or (found[2] and tonumber(found[2]) <= now) then return 0 end
  return tonumber(found[1])
end`

// A script is not undone where it fails, as on keys of another type: it looks at all of them before it writes.
const writing = `${reading}
local row, names, times, last, key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1]
redis.call('ZSCORE', names, key)
redis.call('ZSCORE', times, key)
local now = present()`

/** A version is larger than the last one, and than any that was given before the server had lost its data. */
const put = `
local function put()
  local value, ttl, rows, channel, owns = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
  local before = tonumber(redis.call('GET', last) or 0)
  if not before then
    return redis.error_reply('${RedisErrors.corruptCode} ' .. last .. ' is not the last version')
  end
  local version = math.max(before + 1, micros())
  local shownVersion = shown(version)
  redis.call('SET', last, shownVersion)
  redis.call('HSET', row, 'value', value, 'version', shownVersion)
  local ends = ttl ~= '' and now + tonumber(ttl) or nil
  if ends then
    redis.call('HSET', row, 'until', shown(ends))
    redis.call('ZADD', times, shown(ends), key)
  else
    redis.call('HDEL', row, 'until')
    redis.call('ZREM', times, key)
  end
  redis.call('ZADD', names, 0, key)
  if ends and owns == '1' and ends < 9007199254740991 then
    redis.call('PEXPIREAT', row, string.format('%.0f', math.ceil(ends)))
  else
    redis.call('PERSIST', row)
  end
  redis.call('PUBLISH', channel, shownVersion .. ' ' .. key)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', times, '-inf', shown(now), 'LIMIT', 0, ${removedPerWrite})) do
    redis.call('DEL', rows .. name)
    redis.call('ZREM', names, name)
    redis.call('ZREM', times, name)
  end
  return version
end`

const get = RedisScript.make(
  "reads",
  `${reading}
local found = entryOf(KEYS[1], present())
if not found then return false end
return { found[1], tonumber(found[2]) }
`
)

const set = RedisScript.make("writes", `${writing}${put}\nversionOf(row, now)\nreturn put()`)

const compareAndSet = RedisScript.make(
  "writes",
  `${writing}${put}
if shown(versionOf(row, now)) ~= ARGV[7] then return false end
return put()
`
)

const remove = RedisScript.make(
  "writes",
  `${writing}
local was = versionOf(row, now)
redis.call('DEL', row)
redis.call('ZREM', names, key)
redis.call('ZREM', times, key)
if was == 0 then return 0 end
redis.call('PUBLISH', ARGV[2], '0 ' .. key)
return 1
`
)

const getMany = RedisScript.make(
  "reads",
  `${reading}
local now, answer = present(), {}
for i, row in ipairs(KEYS) do
  local found = entryOf(row, now)
  if found then
    answer[#answer + 1] = i
    answer[#answer + 1] = found[1]
    answer[#answer + 1] = tonumber(found[2])
  end
end
return answer
`
)

// A byte that is in no text makes the end of all that begin with the prefix. A row that the server has removed is in the
// sets until a list or a write comes by.
const list = RedisScript.make(
  "reads",
  `${reading}
local names, times = KEYS[1], KEYS[2]
local prefix, from, limit, rows = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
redis.call('ZCARD', times)
local now, answer = present(), {}
local to = prefix == '' and '+' or '(' .. prefix .. '\\255'
while limit > 0 do
  local wanted = math.min(limit, 500)
  local found = redis.call('ZRANGEBYLEX', names, from, to, 'LIMIT', 0, wanted)
  for _, name in ipairs(found) do
    local entry = entryOf(rows .. name, now)
    if entry then
      limit = limit - 1
      answer[#answer + 1] = name
      answer[#answer + 1] = entry[1]
      answer[#answer + 1] = tonumber(entry[2])
    elseif redis.call('EXISTS', rows .. name) == 0 then
      redis.call('ZREM', names, name)
      redis.call('ZREM', times, name)
    end
    from = '(' .. name
  end
  if #found < wanted then break end
end
return answer
`
)

const chunksOfThree = (reply: unknown): ReadonlyArray<readonly [unknown, string, number]> => {
  // The scripts answer with such rows.
  const flat = reply as ReadonlyArray<never>
  const rows: Array<readonly [unknown, string, number]> = []
  for (let i = 0; i + 2 < flat.length; i += 3) rows.push([flat[i], flat[i + 1]!, flat[i + 2]!])
  return rows
}

export const make = (server: RedisServer): StateStore["Type"] => {
  const { channel, key: named, location, ownsTime, run } = server
  const rows = named("state:")
  const names = named("keys")
  const times = named("expiring")
  const last = named("version")
  const owns = ownsTime ? "1" : "0"

  const checked = (operation: string, key: string, value: string, options: SetOptions | undefined) =>
    Effect.zipRight(
      StateTexts.check(location, operation, key, value),
      Effect.map(StateTexts.checkTtl(location, operation, key, options), (ttl) => (ttl === Infinity ? "" : String(ttl)))
    )

  return {
    get: (key) =>
      Effect.zipRight(
        StateTexts.check(location, "get", key),
        Effect.map(run("get", get, [rows + key], []), (reply) =>
          Option.map(Option.fromNullable(reply), (found) => {
            // The script answers with this pair.
            const [value, version] = found as readonly [string, number]
            return { value, version }
          })
        )
      ),

    set: (key, value, options) =>
      Effect.flatMap(checked("set", key, value, options), (ttl) =>
        Effect.map(run("set", set, [rows + key, names, times, last], [key, value, ttl, rows, channel, owns]), Number)
      ),

    delete: (key) =>
      Effect.zipRight(
        StateTexts.check(location, "delete", key),
        Effect.map(run("delete", remove, [rows + key, names, times, last], [key, channel]), (reply) => reply === 1)
      ),

    compareAndSet: (key, expected, value, options) =>
      Effect.flatMap(checked("compareAndSet", key, value, options), (ttl) =>
        Effect.map(
          run(
            "compareAndSet",
            compareAndSet,
            [rows + key, names, times, last],
            // What is no version is that of nothing.
            [key, value, ttl, rows, channel, owns, Number.isSafeInteger(expected) ? String(expected) : "none"]
          ),
          (reply) => Option.map(Option.fromNullable(reply), Number)
        )
      ),

    getMany: (keys) =>
      Effect.flatMap(StateTexts.checkKeys(location, "getMany", keys), (distinct) =>
        distinct.length === 0
          ? Effect.succeed(new Map<string, Entry>())
          : Effect.map(
              run(
                "getMany",
                getMany,
                distinct.map((key) => rows + key),
                []
              ),
              (reply) =>
                new Map(
                  chunksOfThree(reply).map(([i, value, version]) => [distinct[Number(i) - 1]!, { value, version }])
                )
            )
      ),

    list: (page) =>
      Effect.zipRight(
        StateTexts.checkPage(location, "list", page),
        Effect.suspend(() => {
          const { after, limit, prefix } = page
          const from =
            after !== undefined && TextOrder.compare(after, prefix) >= 0
              ? `(${after}`
              : prefix === ""
                ? "-"
                : `[${prefix}`
          return Effect.map(run("list", list, [names, times], [prefix, from, String(limit), rows]), (reply) =>
            chunksOfThree(reply).map(([key, value, version]): KeyedEntry => ({ key: String(key), value, version }))
          )
        })
      ),

    changes: Option.some((prefix) =>
      Stream.unwrap(Effect.as(StateTexts.checkPrefix(location, "changes", prefix), server.changes(prefix)))
    )
  }
}
