/**
 * Scripts that the server runs as one step.
 */
import * as crypto from "node:crypto"

/** `writes`: who is interrupted while it is under way waits for its end. */
export interface RedisScript {
  readonly text: string
  readonly sha: string
  readonly writes: boolean
}

/**
 * A script whose last argument is the time that the `clock` of the options gives, or empty. `present()` gives milliseconds
 * since the epoch: that time, else the server's. `micros()` gives the server's, in microseconds.
 */
export const make = (kind: "reads" | "writes", body: string): RedisScript => {
  const text = `local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
local function present()
  local given = ARGV[#ARGV]
  if given ~= '' then return tonumber(given) end
  return micros() / 1000
end
local function shown(number) return string.format('%.17g', number) end
${body.trim()}
`
  return { text, sha: crypto.createHash("sha1").update(text).digest("hex"), writes: kind === "writes" }
}
