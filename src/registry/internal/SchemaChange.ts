import type { SchemaDocument } from "../../model/SchemaDocument.js"
import type { Finding, Question } from "./Inclusion.js"
import * as PartInclusion from "./PartInclusion.js"
import * as SchemaPart from "./SchemaPart.js"

/** What a schema is to values of an earlier one. */
export type Verdict = "unchanged" | "compatible" | "breaking"

/** Why: `path` leads to the part that differs, `*` stands for any key or item. */
export interface Reason {
  readonly path: ReadonlyArray<string>
  readonly message: string
}

export interface SchemaChange {
  readonly verdict: Verdict
  readonly reasons: ReadonlyArray<Reason>
}

/** The most questions about two schemas, and how often they are asked: for unions it is their sizes multiplied. */
const maxQuestions = 50_000
const maxAsked = 20 * maxQuestions

interface Answer {
  readonly question: Question
  readonly asked: Set<Answer>
  findings: ReadonlyArray<Finding>
  isYes: boolean
  isOpen: boolean
}

const keyOf = ({ before, isMember, mode, now, scope }: Question): string =>
  mode === "equal"
    ? `=${before}:${now}`
    : `${mode}${isMember}:${before}${scope.before.excess}${scope.before.exact}:${now}${scope.now.excess}${scope.now.exact}`

/**
 * All questions on which the first one depends, answered. Every answer is yes until something speaks against it, so that
 * recursive schemas come to an end: what only depends on itself is true. Undefined when there are too many.
 */
const answer = (first: Question, of: ReturnType<typeof PartInclusion.make>) => {
  const answers = new Map<string, Answer>()
  const fresh: Array<Answer> = []
  // what depends on others waits until all of those were looked at
  const again: Array<Answer> = []
  const get = (question: Question): Answer => {
    const key = keyOf(question)
    let known = answers.get(key)
    if (known === undefined) {
      answers.set(key, (known = { question, asked: new Set(), findings: [], isYes: true, isOpen: true }))
      fresh.push(known)
    }
    return known
  }
  get(first)
  let asked = 0
  for (let next = fresh.pop(); next !== undefined; next = fresh.pop() ?? again.pop()) {
    if (answers.size > maxQuestions || asked > maxAsked) return undefined
    const current = next
    const ask = (question: Question): boolean => {
      asked++
      const other = get(question)
      other.asked.add(current)
      return other.isYes
    }
    current.isOpen = false
    current.findings = of(current.question, ask)
    const isYes = current.findings
      .map((found) => ("question" in found ? ask(found.question) : !found.breaks))
      .every(Boolean)
    if (!current.isYes || isYes) continue
    current.isYes = false
    for (const other of current.asked) {
      if (other.isOpen) continue
      other.isOpen = true
      again.push(other)
    }
  }
  return get
}

/** What speaks for or against the first answer, in the order of the fields. */
const explain = (first: Question, get: (question: Question) => Answer): ReadonlyArray<Reason> => {
  const { isYes } = get(first)
  const reasons = new Map<string, Reason>()
  const seen = new Set<Answer>()
  const stack: Array<{ readonly found: Finding; readonly path: ReadonlyArray<string> }> = [
    { found: { question: first }, path: [] }
  ]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { found } = next
    const path = found.step === undefined ? next.path : [...next.path, found.step]
    if ("question" in found) {
      const known = get(found.question)
      if (known.isYes !== isYes || seen.has(known)) continue
      seen.add(known)
      for (const found of [...known.findings].reverse()) stack.push({ found, path })
    } else if (found.breaks !== isYes) {
      reasons.set(JSON.stringify([path, found.message]), { path, message: found.message })
    }
  }
  return Array.from(reasons.values())
}

const reason = (message: string): ReadonlyArray<Reason> => [{ path: [], message }]

const isSameDocument = (before: SchemaDocument, now: SchemaDocument): boolean =>
  before.length === now.length &&
  before.every(([part, of], at) => {
    const [other, otherOf] = now[at]!
    return SchemaPart.textOf(part) === SchemaPart.textOf(other) && of.join() === otherOf.join()
  })

/**
 * What a schema that was described earlier has become. `null` is no schema, which encodes nothing.
 *
 * - `unchanged`: the documents are equal
 * - `compatible`: what the earlier schema encodes, the one of now decodes: values that were stored, and what is given by
 *   those who still use the earlier schema. Not the other way round: who reads with the earlier schema what is encoded
 *   now may find what he does not know; compare the other way for that. Neither does it say that what was decoded from
 *   elsewhere, such as unknown properties, is taken, nor that a value decodes to what it was
 * - `breaking`: something that was encoded is refused, or that cannot be told: where a function of the user is applied to
 *   something that changed, or is new
 *
 * It is taken for granted that a schema decodes what it encodes, that a default is of its own schema, and that functions
 * do what those of the same name did.
 */
export const compare = (before: SchemaDocument | null, now: SchemaDocument | null): SchemaChange => {
  if (before === null) {
    return now === null
      ? { verdict: "unchanged", reasons: [] }
      : { verdict: "compatible", reasons: reason("it has a schema now, and had none") }
  }
  if (now === null) return { verdict: "breaking", reasons: reason("it had a schema, and has none now") }
  if (isSameDocument(before, now)) return { verdict: "unchanged", reasons: [] }
  const options: SchemaPart.Options = { excess: "ignore", exact: false }
  const first: Question = {
    mode: "accepts",
    before: 0,
    now: 0,
    scope: { before: options, now: options },
    isMember: false
  }
  const get = answer(first, PartInclusion.make(SchemaPart.read(before), SchemaPart.read(now)))
  if (get === undefined) {
    return { verdict: "breaking", reasons: reason("it changed, and is too large to tell what that means") }
  }
  const { isYes } = get(first)
  const found = explain(first, get)
  const plain = isYes
    ? "it is written in another way, which means the same"
    : "it changed: what that means cannot be told"
  return { verdict: isYes ? "compatible" : "breaking", reasons: found.length > 0 ? found : reason(plain) }
}
