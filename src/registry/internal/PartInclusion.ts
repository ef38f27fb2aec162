// What inclusion of one part in another depends on. A rule is monotone: where `ask` says no more often, it breaks more.
import * as FieldInclusion from "./FieldInclusion.js"
import type { Ask, Finding, Mode, Parts, Question } from "./Inclusion.js"
import { breaks, enter, isAnything, isEmpty, isPrimitive, label, note, unrefined } from "./Inclusion.js"
import * as Filter from "./SchemaFilter.js"
import type { Pair, SchemaPart } from "./SchemaPart.js"
import * as Part from "./SchemaPart.js"
import * as UnionInclusion from "./UnionInclusion.js"

const untold = "whether it takes all that was encoded cannot be told"

/** What a literal is one of. */
const keywords = (part: SchemaPart): string | undefined => {
  if (part.tag === "template") return "StringKeyword"
  if (part.tag !== "literal") return undefined
  const { literal } = part
  switch (typeof literal) {
    case "string":
      return "StringKeyword"
    case "number":
      return "NumberKeyword"
    default:
      if (!Part.isFields(literal)) return undefined
      if ("number" in literal) return "NumberKeyword"
      if ("bigint" in literal) return "BigIntKeyword"
      if ("escaped" in literal) return "StringKeyword"
      return "symbol" in literal || "symbolFor" in literal ? "SymbolKeyword" : undefined
  }
}

const isObject = (part: SchemaPart): boolean =>
  (part.tag === "struct" && !isEmpty(part)) ||
  part.tag === "tuple" ||
  part.tag === "container" ||
  (part.tag === "keyword" && part.keyword === "ObjectKeyword")

/** What `{}` takes. */
const isThere = (part: SchemaPart): boolean =>
  isObject(part) ||
  isEmpty(part) ||
  (part.tag === "literal" && part.literal !== null) ||
  part.tag === "template" ||
  (part.tag === "keyword" &&
    ["StringKeyword", "NumberKeyword", "BigIntKeyword", "SymbolKeyword"].includes(part.keyword))

export const make = (before: Parts, now: Parts) => {
  const union = UnionInclusion.make(before, now)

  const isEqual = (ask: Ask, before: number, now: number, { scope }: Question) =>
    ask({ mode: "equal", before, now, scope, isMember: false })

  const equal = (question: Question): ReadonlyArray<Finding> => {
    const [earlier, later] = [before[question.before]!, now[question.now]!]
    if (earlier.text !== later.text || earlier.children.length !== later.children.length) return [breaks("")]
    return earlier.children.map((at, i) => ({ question: { ...question, before: at, now: later.children[i]! } }))
  }

  /** The first of several ways that leads on, else the first. */
  const firstOf = (ask: Ask, ...ways: ReadonlyArray<Question>): ReadonlyArray<Finding> => {
    const way = ways.find(ask) ?? ways[0]
    return way === undefined ? [] : [{ question: way }]
  }

  /** A property that a function of the user decodes has to be what it was. */
  const isKept = (pair: Pair, earlier: SchemaPart, later: SchemaPart, question: Question, ask: Ask): boolean => {
    if (earlier.tag !== "properties" || later.tag !== "properties") return false
    const twin = earlier.pairs.find(({ text }) => text === pair.text)
    if (twin === undefined || (twin.of === undefined) !== (pair.of === undefined)) return false
    if (twin.of !== undefined && pair.of !== undefined && !isEqual(ask, twin.of, pair.of, question)) return false
    const propertyOf = (part: SchemaPart) =>
      part.tag === "struct" ? part.properties.find(({ key }) => key === pair.from) : undefined
    const [a, b] = [propertyOf(before[earlier.from]!), propertyOf(now[later.from]!)]
    return a !== undefined && b !== undefined && a.isOptional === b.isOptional && isEqual(ask, a.type, b.type, question)
  }

  const properties = (
    earlier: SchemaPart,
    later: Extract<SchemaPart, { tag: "properties" }>,
    question: Question,
    ask: Ask
  ): ReadonlyArray<Finding> => {
    if (question.mode === "same") {
      const isSame =
        earlier.tag === "properties" &&
        earlier.pairs.length === later.pairs.length &&
        earlier.pairs.every(({ of, text }, at) => {
          const pair = later.pairs[at]!
          if (text !== pair.text || (of === undefined) !== (pair.of === undefined)) return false
          return of === undefined || pair.of === undefined || isEqual(ask, of, pair.of, question)
        })
      return isSame
        ? [{ question: { ...question, before: earlier.from, now: later.from } }]
        : [breaks("other properties of it are decoded by functions, and a function is applied to it")]
    }
    const { part: encoded } = unrefined(now, later.from)
    // where it has index signatures, a property of another name has to be what these say, too
    const isPlain = encoded.tag === "struct" ? encoded.indexes.length === 0 : encoded.tag === "properties"
    const isSure = (pair: Pair) => (pair.isTotal && isPlain) || isKept(pair, earlier, later, question, ask)
    const unknown = later.pairs.filter((pair) => !isSure(pair))
    return [
      ...unknown.map(({ from }) =>
        breaks(
          `the property ${from} is decoded by a function that is given something else, or was not there: ${untold}`
        )
      ),
      {
        question: {
          ...question,
          before: earlier.tag === "properties" ? earlier.from : question.before,
          now: later.from
        }
      }
    ]
  }

  const transformation = (
    earlier: SchemaPart,
    later: Extract<SchemaPart, { tag: "transformation" }>,
    question: Question,
    ask: Ask
  ): ReadonlyArray<Finding> => {
    const { mode } = question
    const at = (before: number, now: number, mode: Mode): Question => ({ ...question, mode, before, now })
    const isKept = earlier.tag === "transformation" && earlier.text === later.text
    if (isKept && earlier.name === "compose" && earlier.to !== undefined && later.to !== undefined) {
      return [{ question: at(earlier.from, later.from, "same") }, { question: at(earlier.to, later.to, mode) }]
    }
    // these take whatever their encoded side takes
    const isTotal = (Part.isCollection(later.name) && later.to === undefined) || later.name === "literals"
    if (isTotal && mode === "accepts") {
      const from = earlier.tag === "transformation" ? earlier.from : question.before
      return [
        ...(isKept ? [] : [note(`it is decoded as ${later.name} now`)]),
        { question: at(from, later.from, "accepts") }
      ]
    }
    const sameEnd =
      isKept &&
      (earlier.to === undefined || later.to === undefined
        ? earlier.to === later.to
        : isEqual(ask, earlier.to, later.to, question))
    // the keys of a map are decoded from those of a record
    const mapMode = isKept && Part.isCollection(later.name) ? mode : "same"
    if (sameEnd) return [{ question: at(earlier.from, later.from, mapMode) }]
    return [breaks(`it is decoded by ${later.name} in another way than before: ${untold}`)]
  }

  const container = (
    earlier: SchemaPart,
    later: Extract<SchemaPart, { tag: "container" }>,
    question: Question
  ): ReadonlyArray<Finding> =>
    earlier.tag !== "container" || earlier.name !== later.name || earlier.of.length !== later.of.length
      ? [breaks(`${label(before, question.before)} became ${later.name}`)]
      : earlier.of.map((at, i) => ({ step: "*", question: { ...question, before: at, now: later.of[i]! } }))

  const refinement = (
    later: Extract<SchemaPart, { tag: "refinement" }>,
    earlier: SchemaPart,
    question: Question,
    ask: Ask
  ): ReadonlyArray<Finding> => {
    const { filters, part: core } = unrefined(before, question.before)
    if (!Filter.isImplied(later.filter, filters)) {
      return [breaks(`it is refined by ${Filter.name(later.filter)} now: ${untold}`)]
    }
    // how many items there are stays as it is where their values do not
    const isCounted =
      Filter.countsItems(later.filter) && core.tag === "tuple" && unrefined(now, later.from).part.tag === "tuple"
    const mode = isCounted ? question.mode : "same"
    const isTwin = earlier.tag === "refinement" && Part.textOf(earlier.filter) === Part.textOf(later.filter)
    const whole: Question = { ...question, mode, now: later.from }
    return isTwin ? firstOf(ask, { ...whole, before: earlier.from }, whole) : [{ question: whole }]
  }

  /** Two parts of which neither is a union, and the later one takes neither anything nor is refined. */
  const parts = (earlier: SchemaPart, later: SchemaPart, question: Question, ask: Ask): ReadonlyArray<Finding> => {
    const { mode } = question
    const compared = { before, now, mode, scope: question.scope, ask }
    const became = () => [breaks(`${label(before, question.before)} became ${label(now, question.now)}`)]
    if (later.tag === "class") {
      const isKept = earlier.tag === "class" && earlier.name === later.name
      if (mode === "same" && !isKept) return became()
      const from = earlier.tag === "class" ? earlier.from : question.before
      const into = isKept ? [] : [note(`it is decoded as the class ${later.name} now`)]
      return [...into, { question: { ...question, before: from, now: later.from } }]
    }
    if (later.tag === "properties") return properties(earlier, later, question, ask)
    if (later.tag === "transformation") return transformation(earlier, later, question, ask)
    if (earlier.tag === "class" || earlier.tag === "properties" || earlier.tag === "transformation") {
      if (mode === "same") return became()
      const was =
        earlier.tag === "class"
          ? `the class ${earlier.name}`
          : earlier.tag === "transformation"
            ? earlier.name
            : "functions of its properties"
      return [note(`it is not decoded by ${was} any more`), { question: { ...question, before: earlier.from } }]
    }
    switch (later.tag) {
      case "container":
        return container(earlier, later, question)
      case "struct": {
        if (isEmpty(later)) {
          const isTaken = mode === "same" ? isPrimitive(earlier) || isEmpty(earlier) : true
          return isTaken && isThere(earlier) ? [] : became()
        }
        return earlier.tag === "struct" && !isEmpty(earlier)
          ? FieldInclusion.struct(earlier, later, compared)
          : became()
      }
      case "tuple":
        return earlier.tag === "tuple" ? FieldInclusion.tuple(earlier, later, compared) : became()
      case "literal": {
        const isSame = earlier.tag === "literal" && Part.textOf(earlier.literal) === Part.textOf(later.literal)
        return isSame ? [] : became()
      }
      case "keyword": {
        if (earlier.tag === "keyword" && earlier.keyword === later.keyword) return []
        const isKind = keywords(earlier) === later.keyword
        if (isKind) return [note(`${Part.name(earlier)} became ${Part.name(later)}`)]
        const isTaken = later.keyword === "ObjectKeyword" && mode === "accepts" && isObject(earlier)
        return isTaken ? [note("it takes any object now")] : became()
      }
      default:
        return isEqual(ask, question.before, question.now, question) && later.tag === "template"
          ? []
          : earlier.tag === later.tag
            ? [breaks(`it is ${Part.name(later)}: ${untold}`)]
            : became()
    }
  }

  const included = (question: Question, ask: Ask): ReadonlyArray<Finding> => {
    const { mode, scope } = question
    const earlier = before[question.before]!
    const later = now[question.now]!
    const isSameScope = scope.before.excess === scope.now.excess && scope.before.exact === scope.now.exact
    if (isSameScope && isEqual(ask, question.before, question.now, question)) return []
    const inner: Question = {
      ...question,
      scope: { before: enter(scope.before, earlier), now: enter(scope.now, later) }
    }
    if (earlier.tag === "keyword" && earlier.keyword === "NeverKeyword") return []
    if (isAnything(later)) {
      if (isAnything(earlier)) return []
      if (mode === "accepts") return [note("it takes anything now")]
      if (isPrimitive(earlier)) return []
    }
    if (earlier.tag === "union") return union.each({ ...question, scope: { ...scope, before: inner.scope.before } })
    if (later.tag === "union") return union.one(question, ask)
    if (later.tag === "refinement") return refinement(later, earlier, inner, ask)
    if (earlier.tag === "refinement") {
      return [
        note(`it is not refined by ${Filter.name(earlier.filter)} any more`),
        { question: { ...inner, before: earlier.from } }
      ]
    }
    return parts(earlier, later, inner, ask)
  }

  return (question: Question, ask: Ask): ReadonlyArray<Finding> =>
    question.mode === "equal" ? equal(question) : included(question, ask)
}
