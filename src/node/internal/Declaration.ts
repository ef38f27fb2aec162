/** How the class of every node is made, of whatever kind. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Node from "../../dag/Node.js"

/**
 * What a node is declared as: the tag of its service, and what a Dag knows of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Declared<Self, Id extends string, Shape, In, Out, Er, SR>
  extends Context.TagClass<Self, Id, Shape>, Node.Node<Self, In, Out, Er, SR> {
  readonly key: Id
}

/** `error` is the schema of all errors that `process` may fail with. */
export const declare = <Self, const Id extends string, Shape extends Node.Service<In, Out, Er>, In, Out, Er, SR>(
  key: Id,
  options: {
    readonly kind: Node.Description["kind"]
    readonly input: Node.ValueSchema<In, SR>
    readonly output: Node.ValueSchema<Out, SR>
    readonly error: Node.ValueSchema<Er, SR>
    readonly version: string | number | undefined
  }
): Declared<Self, Id, Shape, In, Out, Er, SR> => {
  const tag = Context.Tag(key)<Self, Shape>()
  const description: Node.Description = Object.freeze({
    kind: options.kind,
    // erasure: a Dag encodes and decodes with them only what this node gives
    input: options.input as unknown as Node.Description["input"],
    output: options.output as unknown as Node.Description["output"],
    error: options.error as unknown as Node.Description["error"],
    version: options.version === undefined ? undefined : String(options.version)
  })
  const call = (input: In) => Effect.flatMap(tag, (service) => service.process(input))
  // the phantoms
  return Object.assign(tag, { [Node.TypeId]: Node.TypeId, description, call }) as unknown as Declared<
    Self,
    Id,
    Shape,
    In,
    Out,
    Er,
    SR
  >
}
