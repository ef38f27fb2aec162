/** The values of a node as canonical JSON texts. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type { ErasedSchema } from "../../dag/Definition.js"
import type { Node } from "../../dag/Node.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { NodeValueInvalid } from "../../model/NodeError.js"
import type { Fault } from "../../model/RunError.js"
import * as Faults from "./Faults.js"

/** null stands for `undefined`, which JSON does not have. */
export type Text = string | null

const refused = (node: string, value: "input" | "output", faults: ReadonlyArray<Fault>) =>
  new NodeValueInvalid({ node, value, faults: Faults.text(faults) })

/** The schema of a node's input or output. `R`: what it requires. */
export interface Codec<A, R> {
  readonly encode: (value: A) => Effect.Effect<Text, NodeValueInvalid, R>
  readonly decode: (text: Text) => Effect.Effect<A, NodeValueInvalid, R>
  /** Of what an unknown caller gave, before it is JSON. */
  readonly decodeUnknown: (encoded: unknown) => Effect.Effect<A, NodeValueInvalid, R>
}

export const make = <A, R>(node: string, which: "input" | "output", schema: ErasedSchema): Codec<A, R> => {
  const fromIssue = (issue: ParseResult.ParseIssue) =>
    refused(node, which, ParseResult.ArrayFormatter.formatIssueSync(issue))
  const toText = (encoded: unknown): Either.Either<Text, NodeValueInvalid> =>
    encoded === undefined
      ? Either.right(null)
      : Either.mapLeft(CanonicalJson.stringify(encoded), (fault) => refused(node, which, [fault]))
  const encodeUnknown = ParseResult.encodeUnknown(schema, { errors: "all" })
  const decodeUnknown = ParseResult.decodeUnknown(schema, { errors: "all" })
  const isVoid = schema.ast._tag === "VoidKeyword"
  // erasure: `schema` is of `A`, and requires `R`
  const codec: Codec<unknown, unknown> = {
    // what a function of type void happens to return is not handed on
    encode: (value) =>
      isVoid ? Effect.succeed(null) : Effect.flatMap(Effect.mapError(encodeUnknown(value), fromIssue), toText),
    decode: (text) => codec.decodeUnknown(text === null ? undefined : JSON.parse(text)),
    decodeUnknown: (encoded) => Effect.mapError(decodeUnknown(encoded), fromIssue)
  }
  return codec as Codec<A, R>
}

export const ofNode = <Self, In, Out, Er, SR>(node: Node<Self, In, Out, Er, SR>) => ({
  input: make<In, SR>(node.key, "input", node.description.input),
  output: make<Out, SR>(node.key, "output", node.description.output)
})

/** What a result is kept under: a text that is different for every node, version and input. */
export const keyOf = (node: string, version: string | undefined, input: Text): string =>
  // neither part has a line break of its own
  CanonicalJson.hash(`${JSON.stringify([node, version ?? null])}\n${input ?? ""}`)
