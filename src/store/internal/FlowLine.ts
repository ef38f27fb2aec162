/**
 * The lines of a file of flows: the first one names the format, each other one is a write, with a hash.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Crypto from "node:crypto"
import { FlowStatus } from "../../model/Flow.js"
import type { FlowStore } from "../FlowStore.js"
import * as FlowLog from "./FlowLog.js"
import * as FlowRequest from "./FlowRequest.js"

type Changes = Parameters<FlowStore["Type"]["write"]>[0]

export const format = 1

const Head = Schema.parseJson(
  Schema.Struct({ heddle: Schema.Literal("FlowStoreFile"), format: Schema.Int.pipe(Schema.positive()) })
)

const head: typeof Head.Type = { heddle: "FlowStoreFile", format }

/** The first line, with its end. */
export const first = Buffer.from(`${Schema.encodeSync(Head)(head)}\n`)

/** The format that a first line names; undefined when it is that of another file. */
export const formatOf = (line: Buffer): number | undefined =>
  Either.match(Schema.decodeUnknownEither(Head)(line.toString("utf8")), {
    onLeft: () => undefined,
    onRight: ({ format }) => format
  })

/** `position`: that of the first change, so that a line that was taken out is missed. */
const Write = Schema.parseJson(
  Schema.Struct({
    position: Schema.Int,
    changes: Schema.NonEmptyArray(
      Schema.Struct({
        name: Schema.String,
        version: Schema.String,
        fingerprint: Schema.String,
        status: FlowStatus,
        revision: Schema.Number,
        text: Schema.NullOr(Schema.String),
        at: Schema.Number,
        actor: Schema.String,
        reason: Schema.String,
        action: Schema.String
      })
    )
  })
)

const hashBytes = 64

const hashOf = (data: Buffer): string => Crypto.createHash("sha256").update(data).digest("hex")

/** Without its end, which is one byte. JSON has no such byte. */
export const encode = (position: number, changes: Changes): Buffer => {
  const data = Buffer.from(Schema.encodeSync(Write)({ position, changes }))
  return Buffer.concat([Buffer.from(`${hashOf(data)} `), data])
}

/** The log after the write of a line, which is given without its end; or what is wrong with the line. */
export const replay = (log: FlowLog.FlowLog, line: Buffer): Either.Either<FlowLog.FlowLog, string> => {
  const data = line.subarray(hashBytes + 1)
  if (line.subarray(0, hashBytes + 1).toString("latin1") !== `${hashOf(data)} `) {
    return Either.left("its hash is not that of what it says")
  }
  const decoded = Schema.decodeUnknownEither(Write)(data.toString("utf8"))
  if (Either.isLeft(decoded)) return Either.left("it is no write")
  const { changes, position } = decoded.right
  const fault = FlowRequest.faultOfChanges(changes)
  if (fault !== undefined) return Either.left(fault)
  if (position !== log.position + 1) {
    return Either.left(`it begins with the change ${position}, and the line before it ends with ${log.position}`)
  }
  const [written, next] = FlowLog.write(log, changes)
  return written._tag === "Written"
    ? Either.right(next)
    : Either.left(`${FlowRequest.named(written)} has the revision ${written.actual} before it`)
}
