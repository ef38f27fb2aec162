import * as Either from "effect/Either"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"
import * as BuiltIn from "./BuiltInSchema.js"
import { type Json, value } from "./BuiltInSchema.js"

/**
 * A schema as plain JSON: its distinct parts, each with the positions of the parts it is made of. The first is the
 * schema itself.
 */
export type Description = ReadonlyArray<readonly [part: Json, of: ReadonlyArray<number>]>

/** A part of a schema that is a function of the user without a name. */
export interface OpaquePart {
  readonly path: ReadonlyArray<string>
  readonly message: string
}

/** The most parts a schema may have; a schema without end is found by it. */
const maxParts = 10_000

/** A schema within another; `identifier` names the functions at the same value, `step` leads to another value. */
interface Child {
  readonly ast: AST.AST
  readonly identifier?: string | undefined
  readonly step?: string
}

interface Part {
  readonly part: { readonly [key: string]: Json }
  readonly of: ReadonlyArray<Child>
}

/** How a function is described, which cannot be looked into. */
type Hidden = (hidden: {
  readonly of: object
  readonly identifier: string | undefined
  readonly remedy: string
  readonly step?: string
}) => Json

const identifierOf = (annotated: AST.Annotated): string | undefined =>
  Option.getOrUndefined(AST.getIdentifierAnnotation(annotated))

const lost = "(a later `annotations` or `brand` removes it)"
const nameIt = (what: string) => `give ${what} an \`identifier\` annotation ${lost}`

const step = (name: PropertyKey): string => (typeof name === "symbol" ? (name.description ?? "") : String(name))
const nameOf = (name: PropertyKey): Json => value(typeof name === "number" ? String(name) : name)
const byName = (a: { readonly name: PropertyKey }, b: { readonly name: PropertyKey }): number => {
  const [left, right] = [JSON.stringify(nameOf(a.name)), JSON.stringify(nameOf(b.name))]
  return left < right ? -1 : left > right ? 1 : 0
}

const struct = (ast: AST.TypeLiteral): Part => {
  const properties = [...ast.propertySignatures].sort(byName)
  return {
    part: {
      properties: properties.map(({ isOptional, name }) => [nameOf(name), isOptional]),
      indexes: ast.indexSignatures.length
    },
    of: [
      ...properties.map(({ name, type }) => ({ ast: type, step: step(name) })),
      ...ast.indexSignatures.flatMap(({ parameter, type }) => [
        { ast: parameter, step: "*" },
        { ast: type, step: "*" }
      ])
    ]
  }
}

const isNothing = (ast: AST.AST): boolean => AST.isUndefinedKeyword(ast) || (AST.isLiteral(ast) && ast.literal === null)

const isNull = (ast: AST.AST): boolean => AST.isLiteral(ast) && ast.literal === null

const without = (ast: AST.AST, unwanted: (member: AST.AST) => boolean): AST.AST =>
  AST.isUnion(ast) ? AST.Union.make(ast.types.filter((member) => !unwanted(member))) : ast

const propertyOf = (ast: AST.AST, name: PropertyKey): AST.PropertySignature | undefined => {
  switch (ast._tag) {
    case "TypeLiteral":
      return ast.propertySignatures.find((property) => property.name === name)
    case "Union":
      return propertyOf(ast.types[0], name)
    case "Refinement":
      return propertyOf(ast.from, name)
    case "Suspend":
      return propertyOf(ast.f(), name)
    default:
      return undefined
  }
}

/** Whether a type side is the one that effect derives from this schema, or from it without null and undefined. */
const isDerived = (to: AST.AST, from: AST.AST): boolean =>
  sameType(to, from) || sameType(to, without(from, isNothing)) || sameType(to, without(from, isNull))

const propertyTransformation = (
  ast: AST.Transformation,
  pair: AST.PropertySignatureTransformation,
  identifier: string | undefined,
  hidden: Hidden
): { readonly name: PropertyKey; readonly how: Json; readonly of: ReadonlyArray<Child> } => {
  const from = AST.isTypeLiteral(ast.from) ? propertyOf(ast.from, pair.from) : undefined
  const to = propertyOf(ast.to, pair.to)
  const made = (how: string, of: ReadonlyArray<Child> = []) => ({ name: pair.to, how, of })
  if (pair.decode === identity && pair.encode === identity) return made("rename")
  if (to !== undefined && from === undefined && (AST.isLiteral(to.type) || AST.isUniqueSymbol(to.type))) {
    return made("attach", [{ ast: to.type }])
  }
  if (to !== undefined && from?.isOptional === true) {
    const item = AST.isDeclaration(to.type) ? to.type.typeParameters[0] : undefined
    if (!to.isOptional && item !== undefined && AST.isDeclaration(to.type)) {
      if (BuiltIn.declarationOf(to.type) === "effect/Option" && isDerived(item, from.type)) return made("option")
    }
    // optionalWith({ nullable: true }): a null is dropped
    if (to.isOptional && pair.encode === identity && AST.isUnion(from.type) && from.type.types.some(isNull)) {
      if (sameType(to.type, without(from.type, isNull))) return made("nullable")
    }
  }
  const own = (to === undefined ? undefined : identifierOf(to)) ?? identifier
  const how = hidden({
    of: pair.decode,
    identifier: own,
    step: step(pair.to),
    remedy: `this property is decoded by a function, such as a default: ${nameIt("the property, or its struct,")}`
  })
  if (to === undefined) return { name: pair.to, how, of: [] }
  const derived = from !== undefined && isDerived(to.type, from.type)
  return {
    name: pair.to,
    how: { hidden: how, optional: to.isOptional, derived },
    of: derived ? [] : [{ ast: to.type, identifier: own, step: step(pair.to) }]
  }
}

const transformation = (ast: AST.Transformation, identifier: string | undefined, hidden: Hidden): Part => {
  const { from, to } = ast
  const kind = ast.transformation
  const ends = [
    { ast: from, identifier },
    { ast: to, identifier }
  ]
  if (AST.isComposeTransformation(kind)) return { part: { transformation: "compose" }, of: ends }
  if (AST.isTypeLiteralTransformation(kind)) {
    const pairs = kind.propertySignatureTransformations
      .map((pair) => ({ from: pair.from, ...propertyTransformation(ast, pair, identifier, hidden) }))
      .sort(byName)
    return {
      // the other properties of the type side are derived from those of the encoded side
      part: { transformation: "properties", of: pairs.map(({ from, how, name }) => [nameOf(from), nameOf(name), how]) },
      of: [{ ast: from, identifier }, ...pairs.flatMap(({ of }) => of)]
    }
  }
  if (AST.isDeclaration(to) && Option.isSome(AST.getSurrogateAnnotation(to))) {
    const name = identifierOf(to)
    if (name !== undefined) return { part: { class: value(name) }, of: [{ ast: from, identifier: identifier ?? name }] }
  }
  const name = BuiltIn.nameOf(kind)
  if (name !== undefined) return { part: { transformation: "effect", name }, of: ends }
  if (Option.contains(AST.getSchemaIdAnnotation(ast), AST.ParseJsonSchemaId)) {
    return { part: { transformation: "parseJson" }, of: ends }
  }
  if (AST.isLiteral(from) && AST.isLiteral(to)) return { part: { transformation: "literals" }, of: ends }
  if (AST.isTemplateLiteral(from) && AST.isTupleType(to)) return { part: { transformation: "template" }, of: ends }
  const { made, tag } = BuiltIn.candidatesFor(to)
  for (const candidate of made) {
    if (AST.isTransformation(candidate.ast) && sameType(from, candidate.ast.from)) {
      const [key] = AST.isDeclaration(to) ? to.typeParameters : []
      return {
        part: { transformation: "effect", name: tag },
        of: [{ ast: from, identifier }, ...(candidate.keyed && key !== undefined ? [{ ast: key }] : [])]
      }
    }
  }
  const derived = isDerived(to, from)
  const part = {
    hidden: hidden({
      of: kind,
      identifier,
      remedy: `this transformation is made of functions: ${nameIt("it")}`
    }),
    derived
  }
  return { part: { transformation: part }, of: derived ? [{ ast: from, identifier }] : ends }
}

const declaration = (ast: AST.Declaration, identifier: string | undefined, hidden: Hidden): Part => {
  const name = BuiltIn.declarationOf(ast)
  const opaque = name === undefined || name === "effect/SortedSet"
  const part = opaque
    ? hidden({
        of: ast.decodeUnknown,
        identifier,
        remedy: `this type is declared by ${name === undefined ? "a function" : "an Order"}: ${nameIt("its schema")}`
      })
    : null
  return { part: { declaration: name ?? null, hidden: part }, of: ast.typeParameters.map((ast) => ({ ast })) }
}

const kinds = (ast: AST.AST, identifier: string | undefined, hidden: Hidden): Part => {
  switch (ast._tag) {
    case "Literal":
      return { part: { literal: value(ast.literal) }, of: [] }
    case "UniqueSymbol":
      return { part: { literal: value(ast.symbol) }, of: [] }
    case "Enums":
      return {
        part: { enum: ast.enums.map(([, member]) => JSON.stringify(value(member))).sort() },
        of: []
      }
    case "TemplateLiteral":
      return {
        part: { template: [ast.head, ...ast.spans.map(({ literal }) => literal)].map(value) },
        of: ast.spans.map(({ type }) => ({ ast: type }))
      }
    case "TupleType":
      return {
        part: { tuple: ast.elements.map(({ isOptional }) => isOptional), rest: ast.rest.length },
        of: [...ast.elements, ...ast.rest].map(({ type }, at) => ({ ast: type, step: String(at) }))
      }
    case "TypeLiteral":
      return struct(ast)
    case "Union":
      return { part: { union: ast.types.length }, of: ast.types.map((ast) => ({ ast, identifier })) }
    case "Suspend":
      return { part: { type: "suspend" }, of: [{ ast: ast.f(), identifier }] }
    case "Refinement": {
      const filter =
        BuiltIn.filterOf(ast) ??
        hidden({ of: ast.filter, identifier, remedy: `this filter is a function: ${nameIt("it")}` })
      return { part: { filter }, of: [{ ast: ast.from, identifier }] }
    }
    case "Declaration":
      return declaration(ast, identifier, hidden)
    case "Transformation":
      return transformation(ast, identifier, hidden)
    default:
      return { part: { type: ast._tag }, of: [] }
  }
}

/** One part of a schema, with the annotations that change what it decodes. */
const read = (ast: AST.AST, inherited: string | undefined, hidden: Hidden): Part => {
  const identifier = identifierOf(ast) ?? inherited
  const { of, part } = kinds(ast, identifier, hidden)
  const options = Option.getOrUndefined(AST.getParseOptionsAnnotation(ast))
  const fallback = Option.getOrUndefined(AST.getDecodingFallbackAnnotation(ast))
  return {
    part: {
      ...part,
      ...(options === undefined
        ? undefined
        : { options: [options.onExcessProperty ?? "ignore", options.exact ?? false] }),
      ...(fallback === undefined
        ? undefined
        : {
            fallback: hidden({
              of: fallback,
              identifier,
              remedy: `its decodingFallback is a function: ${nameIt("the schema")}`
            })
          })
    },
    of
  }
}

interface Path {
  readonly step: string
  readonly before: Path | undefined
}

const steps = (path: Path | undefined): ReadonlyArray<string> => {
  const steps: Array<string> = []
  for (let at = path; at !== undefined; at = at.before) steps.push(at.step)
  return steps.reverse()
}

interface Graph {
  readonly parts: Array<Json>
  readonly edges: Array<ReadonlyArray<number>>
}

/** All parts that can be reached; undefined when there are more than `maxParts`. */
const explore = (
  root: AST.AST,
  look: (ast: AST.AST, identifier: string | undefined, path: Path | undefined) => Part
): Graph | undefined => {
  const queue: Array<Child & { readonly path: Path | undefined }> = []
  const places = new Map<AST.AST, Map<string | undefined, number>>()
  const place = (child: Child, path: Path | undefined): number => {
    let byIdentifier = places.get(child.ast)
    if (byIdentifier === undefined) places.set(child.ast, (byIdentifier = new Map()))
    let at = byIdentifier.get(child.identifier)
    if (at === undefined) {
      at = queue.length
      byIdentifier.set(child.identifier, at)
      queue.push({ ...child, path: child.step === undefined ? path : { step: child.step, before: path } })
    }
    return at
  }
  const graph: Graph = { parts: [], edges: [] }
  place({ ast: root }, undefined)
  for (let at = 0; at < queue.length; at++) {
    if (queue.length > maxParts) return undefined
    const { ast, identifier, path } = queue[at]!
    const { of, part } = look(ast, identifier, path)
    graph.parts.push(part)
    graph.edges.push(of.map((child) => place(child, path)))
  }
  return graph
}

const number = (texts: ReadonlyArray<string>): { readonly ids: ReadonlyArray<number>; readonly count: number } => {
  const known = new Map<string, number>()
  const ids = texts.map((text) => {
    const id = known.get(text) ?? known.size
    known.set(text, id)
    return id
  })
  return { ids, count: known.size }
}

/**
 * The graph with one part for all that look the same however far they are followed, numbered from the first. So it does
 * not matter whether a schema was shared, built twice or unrolled.
 */
const distinct = ({ edges, parts }: Graph): Description => {
  let same = number(parts.map((part) => JSON.stringify(part)))
  for (let count = 0; count !== same.count;) {
    count = same.count
    const { ids } = same
    same = number(edges.map((of, at) => `${ids[at]}:${of.map((part) => ids[part]).join()}`))
  }
  const order: Array<number> = [0]
  const positions = new Map([[same.ids[0], 0]])
  const description: Array<readonly [Json, ReadonlyArray<number>]> = []
  for (let at = 0; at < order.length; at++) {
    const part = order[at]!
    const of = edges[part]!.map((child) => {
      const id = same.ids[child]
      const position = positions.get(id) ?? order.length
      if (position === order.length) {
        positions.set(id, position)
        order.push(child)
      }
      return position
    })
    description.push([parts[part]!, of])
  }
  return description
}

/**
 * Whether the types of two schemas are the same, as far as their suspended parts. Functions are the same when they are
 * one object.
 */
const sameType = (a: AST.AST, b: AST.AST): boolean => {
  const objects = new Map<object, number>()
  const hidden: Hidden = ({ of }) => {
    const id = objects.get(of) ?? objects.size
    objects.set(of, id)
    return id
  }
  const text = (ast: AST.AST) => {
    const graph = explore(AST.typeAST(ast), (ast, identifier) =>
      AST.isSuspend(ast) ? { part: { type: "suspend" }, of: [] } : read(ast, identifier, hidden)
    )
    return graph === undefined ? undefined : JSON.stringify(distinct(graph))
  }
  const left = text(a)
  return left !== undefined && left === text(b)
}

/**
 * Describes a schema by its structure, so that two descriptions are equal exactly when the schemas accept, decode and
 * encode the same, as far as that can be seen. Neither the order of fields nor documentation (title, description,
 * examples, brands, arbitrary, pretty, JSON Schema) is part of it; the order of union members is.
 *
 * Functions cannot be looked into. Those that effect wrote are known by their name and parameters: its ready-made
 * schemas, its filters, `Option`, `Either`, `Exit`, `Cause`, the collections, `Redacted`, `Data`, `parseJson`, classes,
 * `optionalWith` without a default, `fromKey`, `rename`, `attachPropertySignature`, `compose`, literals, `ArrayEnsure`.
 * All others need an `identifier` annotation: filters, transformations, defaults, declared types, orders, fallbacks. So
 * do constructors of effect that leave no trace of what they were given, or that cannot be told from a transformation
 * of the user: `split`, `pluck`, `clamp`, `head`, `parseNumber` on other schemas, `fromBrand`, `EitherFromUnion`.
 *
 * An `identifier`, and the name of a class, stands for the functions at the same value: in the filters and
 * transformations below it and in the members of a union, not in fields, items or type parameters. What is below it is
 * described nevertheless. Where no function hides, an identifier is documentation and not part of the description.
 *
 * What it does not see: a changed function behind the same identifier; a reviver or replacer of `parseJson`; the value
 * that `onNoneEncoding` writes; a transformation by hand between just the two types of one of effect's.
 */
export const describe = (schema: { readonly ast: AST.AST }): Either.Either<Description, ReadonlyArray<OpaquePart>> => {
  const opaque = new Map<string, OpaquePart>()
  const look = (ast: AST.AST, identifier: string | undefined, path: Path | undefined): Part => {
    // one for each place: an identifier on the outermost stands for all that is there
    const report = (message: string, step?: string) => {
      const at = step === undefined ? steps(path) : [...steps(path), step]
      const key = JSON.stringify(at)
      if (!opaque.has(key)) opaque.set(key, { path: at, message })
    }
    try {
      return read(ast, identifier, (hidden) => {
        if (hidden.identifier === undefined) report(hidden.remedy, hidden.step)
        return hidden.identifier === undefined ? null : value(hidden.identifier)
      })
    } catch (error) {
      // what a suspended schema runs is the user's
      report(`it cannot be read: ${String(error)}`)
      return { part: {}, of: [] }
    }
  }
  const graph = explore(schema.ast, look)
  if (graph === undefined) {
    const message = `it has more than ${maxParts} parts: keep a suspended schema in a constant, so that it is the same each time, and do not take the type side of a recursive schema`
    return Either.left([{ path: [], message }])
  }
  return opaque.size > 0 ? Either.left([...opaque.values()]) : Either.right(distinct(graph))
}
