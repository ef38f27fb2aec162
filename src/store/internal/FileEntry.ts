/**
 * The text of an entry's file: a line that names the format and has the hash of the head, the head as JSON with the hash
 * of the value, and the value as it is.
 */
import * as Schema from "effect/Schema"
import * as Crypto from "node:crypto"

export interface Head {
  readonly key: string
  readonly version: number
  /** Infinity: never. */
  readonly expiresAt: number
}

const sha256 = (data: string | Uint8Array): string => Crypto.createHash("sha256").update(data).digest("hex")

const namePattern = /^[0-9a-f]{64}\.entry$/

/** Of the same length whatever the key, without a character that any file system minds, and in one case. */
export const nameOf = (key: string): string => `${sha256(key)}.entry`

export const isName = (name: string): boolean => namePattern.test(name)

/** No head is longer: a key of 1,000 NULs has 6,000 characters in JSON. */
export const headBytes = 8192

const Stored = Schema.parseJson(
  Schema.Struct({
    key: Schema.String,
    version: Schema.Int.pipe(Schema.positive()),
    expiresAt: Schema.NullOr(Schema.Finite),
    sha256: Schema.String
  })
)
const decode = Schema.decodeUnknownOption(Stored)
const encode = Schema.encodeSync(Stored)

const newline = 0x0a

export const write = ({ expiresAt, key, version }: Head, value: string): Uint8Array => {
  const data = Buffer.from(value, "utf8")
  const head = encode({ key, version, expiresAt: expiresAt === Infinity ? null : expiresAt, sha256: sha256(data) })
  return Buffer.concat([Buffer.from(`heddle-entry 1 ${sha256(head)}\n${head}\n`, "utf8"), data])
}

/** The head of the file of this name, and where the value begins; undefined when it is damaged. */
const readHead = (name: string, data: Buffer) => {
  const first = data.indexOf(newline)
  const second = data.indexOf(newline, first + 1)
  if (first < 0 || second < 0) return undefined
  const text = data.toString("utf8", first + 1, second)
  if (data.toString("utf8", 0, first) !== `heddle-entry 1 ${sha256(text)}`) return undefined
  const stored = decode(text)
  if (stored._tag === "None" || nameOf(stored.value.key) !== name) return undefined
  const { expiresAt, key, version } = stored.value
  return {
    head: { key, version, expiresAt: expiresAt ?? Infinity } satisfies Head,
    hash: stored.value.sha256,
    begin: second + 1
  }
}

/** From the first `headBytes` bytes of the file. */
export const head = (name: string, data: Buffer): Head | undefined => readHead(name, data)?.head

/** From all of the file. */
export const read = (name: string, data: Buffer): (Head & { readonly value: string }) | undefined => {
  const found = readHead(name, data)
  if (found === undefined) return undefined
  const value = data.subarray(found.begin)
  return sha256(value) === found.hash ? { ...found.head, value: value.toString("utf8") } : undefined
}
