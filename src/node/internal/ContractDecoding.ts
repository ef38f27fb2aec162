/** From the faults that a schema finds to those of a contract. */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Condition from "../Condition.js"
import { type Path, Problem } from "../ContractFault.js"

export interface Found {
  readonly path: Path
  readonly problem: Problem
}

const shown = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" && value !== null ? "an object" : String(value)
}

const expected = (ast: SchemaAST.AST): string =>
  Option.getOrElse(
    Option.orElse(SchemaAST.getDescriptionAnnotation(ast), () => SchemaAST.getIdentifierAnnotation(ast)),
    () => {
      if (SchemaAST.isTransformation(ast)) return expected(ast.from)
      if (SchemaAST.isRefinement(ast)) return expected(ast.from)
      if (SchemaAST.isTypeLiteral(ast)) return "an object"
      if (SchemaAST.isTupleType(ast)) return "a list"
      if (SchemaAST.isUnion(ast)) return ast.types.map(expected).join(" or ")
      return String(ast)
    }
  )

const expression = (ast: SchemaAST.AST, text: string): Problem | undefined => {
  const identifier = Option.getOrUndefined(SchemaAST.getIdentifierAnnotation(ast))
  const fault =
    identifier === "Condition"
      ? Either.getLeft(Condition.parse(text))
      : identifier === "Operand"
        ? Either.getLeft(Condition.parseOperand(text))
        : Option.none()
  if (Option.isNone(fault)) return undefined
  const { operator, position, reason } = fault.value
  return operator === undefined
    ? Problem.Expression({ expression: text, position, reason })
    : Problem.UnsupportedOperator({ expression: text, position, operator, reason })
}

const pathOf = (path: ParseResult.Path): Path =>
  (Array.isArray(path) ? path : [path]).map((key) => (typeof key === "number" ? key : String(key)))

const leaf = (issue: ParseResult.Type | ParseResult.Forbidden, actual: unknown): Problem => {
  if (typeof actual === "string") {
    const problem = expression(issue.ast, actual)
    if (problem !== undefined) return problem
  }
  if (issue.message !== undefined) {
    return typeof actual === "number"
      ? Problem.OutOfRange({ value: actual, reason: issue.message })
      : Problem.InvalidValue({ value: shown(actual), reason: issue.message })
  }
  // a record or list of an expected kind says so by what it is
  return Problem.WrongType({ expected: expected(issue.ast), actual: shown(actual) })
}

const fieldsOf = (ast: SchemaAST.AST): ReadonlyArray<string> => {
  if (SchemaAST.isTypeLiteral(ast)) return ast.propertySignatures.map(({ name }) => String(name))
  if (SchemaAST.isTransformation(ast) || SchemaAST.isRefinement(ast)) return fieldsOf(ast.from)
  return SchemaAST.isSuspend(ast) ? fieldsOf(ast.f()) : []
}

const flatten = (issue: ParseResult.ParseIssue, path: Path, enclosing: SchemaAST.AST): ReadonlyArray<Found> => {
  switch (issue._tag) {
    case "Pointer": {
      const below = [...path, ...pathOf(issue.path)]
      const field = String(below.at(-1))
      if (issue.issue._tag === "Missing") return [{ path, problem: Problem.MissingField({ field }) }]
      if (issue.issue._tag === "Unexpected")
        return [{ path: below, problem: Problem.UnknownField({ field, fields: fieldsOf(enclosing) }) }]
      return flatten(issue.issue, below, enclosing)
    }
    case "Composite": {
      const issues = Array.isArray(issue.issues)
        ? (issue.issues as ReadonlyArray<ParseResult.ParseIssue>)
        : [issue.issues as ParseResult.ParseIssue]
      if (SchemaAST.isUnion(issue.ast) && issues.length > 1) return ofUnion(issue.ast, issue.actual, path)
      return issues.flatMap((inner) => flatten(inner, path, issue.ast))
    }
    case "Refinement": {
      if (issue.kind === "From") return flatten(issue.issue, path, issue.ast)
      if (issue.issue._tag !== "Type") return flatten(issue.issue, path, issue.ast)
      const reason = issue.issue.message ?? `expected ${expected(issue.ast)}`
      const problem =
        typeof issue.actual === "number"
          ? Problem.OutOfRange({ value: issue.actual, reason })
          : Problem.InvalidValue({ value: shown(issue.actual), reason })
      return [{ path, problem }]
    }
    case "Transformation":
      return flatten(issue.issue, path, issue.ast)
    case "Missing":
    case "Unexpected":
      return [{ path, problem: Problem.WrongType({ expected: "a value", actual: "none" }) }]
    case "Type":
    case "Forbidden":
      return [{ path, problem: leaf(issue, issue.actual) }]
  }
}

const literalsOf = (ast: SchemaAST.AST): ReadonlyArray<unknown> =>
  SchemaAST.isLiteral(ast) ? [ast.literal] : SchemaAST.isUnion(ast) ? ast.types.flatMap(literalsOf) : []

const propertiesOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.PropertySignature> =>
  SchemaAST.isTypeLiteral(ast)
    ? ast.propertySignatures
    : SchemaAST.isTransformation(ast) || SchemaAST.isRefinement(ast)
      ? propertiesOf(ast.from)
      : []

const tagsOf = (member: SchemaAST.AST, tag: PropertyKey): ReadonlyArray<unknown> =>
  propertiesOf(member)
    .filter(({ name }) => name === tag)
    .flatMap(({ type }) => literalsOf(type))

/** None of the members fits. Where they have a tag, it says which one was meant; otherwise what is expected is the union. */
const ofUnion = (union: SchemaAST.Union, actual: unknown, path: Path): ReadonlyArray<Found> => {
  const tag = ["type", "do"].find((name) => union.types.every((member) => tagsOf(member, name).length > 0))
  if (tag === undefined || typeof actual !== "object" || actual === null || Array.isArray(actual))
    return [{ path, problem: Problem.WrongType({ expected: expected(union), actual: shown(actual) }) }]
  if (!Object.hasOwn(actual, tag)) return [{ path, problem: Problem.MissingField({ field: tag }) }]
  const given: unknown = (actual as { readonly [name: string]: unknown })[tag]
  const meant = union.types.find((member) => tagsOf(member, tag).includes(given))
  if (meant === undefined) {
    const tags = union.types.flatMap((member) => tagsOf(member, tag)).map(shown)
    return [{ path: [...path, tag], problem: Problem.WrongType({ expected: tags.join(" or "), actual: shown(given) }) }]
  }
  return Either.match(ParseResult.decodeUnknownEither(Schema.make(meant), all)(actual), {
    onLeft: (issue) => flatten(issue, path, meant),
    onRight: () => []
  })
}

const all = { errors: "all", onExcessProperty: "error" } as const

export const decode = <A, I>(schema: Schema.Schema<A, I>, value: unknown): Either.Either<A, ReadonlyArray<Found>> =>
  Either.mapLeft(ParseResult.decodeUnknownEither(schema, all)(value), (issue) => flatten(issue, [], schema.ast))
