// The rules of inclusion for what has fields or items: structs and tuples.
import type { Ask, Finding, Mode, Parts, Question, Scope } from "./Inclusion.js"
import { breaks, mayBeUndefined, note, unrefined } from "./Inclusion.js"
import type { Property, SchemaPart } from "./SchemaPart.js"

type Struct = Extract<SchemaPart, { tag: "struct" }>
type Tuple = Extract<SchemaPart, { tag: "tuple" }>

interface Compared {
  readonly before: Parts
  readonly now: Parts
  readonly mode: Mode
  readonly scope: Scope
  readonly ask: Ask
}

/** Whether an index signature takes keys that are symbols, and whether it takes every text or every symbol. */
const keysOf = (parts: Parts, parameter: number) => {
  const { filters, part } = unrefined(parts, parameter)
  const isSymbol = part.tag === "keyword" && part.keyword === "SymbolKeyword"
  const isText = part.tag === "keyword" && part.keyword === "StringKeyword"
  return { isSymbol, isAll: filters.length === 0 && (isSymbol || isText) }
}

const lost = "and a function is applied to what it was in, which it may refuse without it"

export const struct = (earlier: Struct, later: Struct, { ask, before, mode, now, scope }: Compared): Array<Finding> => {
  const found: Array<Finding> = []
  const question = (before: number, now: number, as: Mode = mode): Question => ({
    mode: as,
    before,
    now,
    scope,
    isMember: false
  })
  const keeps = scope.before.excess === "preserve"
  const refuses = scope.now.excess === "error"
  const matching = (parts: Parts, part: Struct, { isSymbol }: { readonly isSymbol: boolean }) =>
    part.indexes.filter(({ parameter }) => keysOf(parts, parameter).isSymbol === isSymbol)
  // a missing property is read as undefined, unless schemas are exact
  const takesNothing = (property: Property) =>
    !scope.now.exact && mode === "accepts" && ask(question(before.length - 1, property.type))
  const earlierOf = new Map(earlier.properties.map((property) => [property.key, property]))
  const laterKeys = new Set(later.properties.map(({ key }) => key))

  if (keeps && mode === "same") found.push(breaks("what it does not know is kept, and a function is applied to it"))
  if (keeps && refuses) found.push(breaks("unknown properties were kept, and are refused now"))
  if (refuses && scope.before.excess !== "error") {
    found.push(note("unknown properties are refused now: it takes what was encoded, but not all that was decoded"))
  }

  for (const property of later.properties) {
    const { isOptional, key, name, type } = property
    const known = earlierOf.get(key)
    if (known !== undefined) {
      found.push({ step: name, question: question(known.type, type) })
      if (known.isOptional && !isOptional && !takesNothing(property)) {
        found.push(breaks("it was optional and is required now", name))
      }
      if (!known.isOptional && isOptional) found.push(note("it is optional now", name))
      const isLost = !isOptional && scope.now.exact && !scope.before.exact && mayBeUndefined(before, known.type)
      if (isLost) found.push(breaks("it has to be there now, also where it is undefined", name))
      continue
    }
    for (const index of matching(before, earlier, property)) {
      found.push({ step: name, question: question(index.type, type) })
    }
    if (keeps)
      found.push(breaks("it was added, and unknown properties were kept: one of this name may be anything", name))
    else if (isOptional) found.push(note("it was added, and is optional", name))
    else if (takesNothing(property)) found.push(note("it was added, and may be undefined", name))
    else found.push(breaks("it was added, and is required", name))
  }

  for (const { key, name, ...property } of earlier.properties) {
    const indexes = matching(now, later, property)
    for (const index of indexes) {
      const isOwn = laterKeys.has(key)
      found.push({ step: name, question: question(property.type, index.type, isOwn ? "accepts" : mode) })
    }
    if (laterKeys.has(key) || indexes.some(({ parameter }) => keysOf(now, parameter).isAll)) continue
    if (refuses) found.push(breaks("it was removed, and unknown properties are refused", name))
    else if (mode === "same") found.push(breaks(`it was removed, ${lost}`, name))
    else found.push(note("it was removed: what it held is ignored", name))
  }

  const others = new Set<number>()
  for (const index of earlier.indexes) {
    const { isSymbol } = keysOf(before, index.parameter)
    const indexes = matching(now, later, { isSymbol })
    for (const other of indexes) {
      others.add(other.parameter)
      found.push({ step: "*", question: question(index.type, other.type) })
    }
    const isKept = indexes.some(
      ({ parameter }) => keysOf(now, parameter).isAll || ask(question(index.parameter, parameter, "equal"))
    )
    if (isKept) continue
    if (refuses) found.push(breaks("not all of its keys are taken any more, and unknown properties are refused", "*"))
    else if (mode === "same") found.push(breaks(`not all of its keys are taken any more, ${lost}`, "*"))
    else found.push(note("not all of its keys are taken any more: what they held is ignored", "*"))
  }
  if (later.indexes.some(({ parameter }) => !others.has(parameter))) {
    found.push(
      keeps
        ? breaks("other properties are decoded now, and unknown ones were kept: they may be anything", "*")
        : note("other properties are taken now", "*")
    )
  }
  return found
}

export const tuple = (earlier: Tuple, later: Tuple, { mode, scope }: Compared): Array<Finding> => {
  const found: Array<Finding> = []
  const pair = (before: number, now: number, step: string) =>
    found.push({ step, question: { mode, before, now, scope, isMember: false } })
  const hasTail = earlier.rest.length > 1 || later.rest.length > 1
  const isSameShape =
    earlier.rest.length === later.rest.length &&
    earlier.elements.length === later.elements.length &&
    earlier.elements.every(({ isOptional }, at) => isOptional === later.elements[at]!.isOptional)
  if (hasTail && !isSameShape) {
    return [breaks("it has other elements around its rest: whether it takes what was encoded cannot be told")]
  }
  const [rest] = earlier.rest
  const [laterRest] = later.rest
  for (let at = 0; at < Math.max(earlier.elements.length, later.elements.length); at++) {
    const step = String(at)
    const element = earlier.elements[at]
    const next = later.elements[at]
    if (element !== undefined && next !== undefined) {
      pair(element.type, next.type, step)
      if (element.isOptional && !next.isOptional) found.push(breaks("it was optional and is required now", step))
      if (!element.isOptional && next.isOptional) found.push(note("it is optional now", step))
    } else if (element !== undefined) {
      if (laterRest === undefined) found.push(breaks("it was removed, and no more elements are taken", step))
      else pair(element.type, laterRest, step)
    } else if (next !== undefined) {
      if (rest !== undefined) pair(rest, next.type, step)
      found.push(
        next.isOptional ? note("it was added, and is optional", step) : breaks("it was added, and is required", step)
      )
    }
  }
  if (rest !== undefined) {
    if (laterRest === undefined) found.push(breaks("it had any number of elements, and has not any more"))
    else pair(rest, laterRest, "*")
  } else if (laterRest !== undefined) found.push(note("it takes any number of elements now"))
  earlier.rest.slice(1).forEach((type, at) => pair(type, later.rest[at + 1]!, `*+${at + 1}`))
  return found
}
