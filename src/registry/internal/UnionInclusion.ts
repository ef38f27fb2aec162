// The rules of inclusion for unions.
import type { Ask, Finding, Parts, Question } from "./Inclusion.js"
import { breaks, enter, isPrimitive, label, members, note, tags, unrefined } from "./Inclusion.js"
import type { SchemaPart } from "./SchemaPart.js"

const fromOf = (part: SchemaPart): number | undefined =>
  part.tag === "refinement" || part.tag === "class" || part.tag === "properties" || part.tag === "transformation"
    ? part.from
    : undefined

export const make = (before: Parts, now: Parts) => {
  /** The members of an earlier union, each of which a member of now has to take. */
  const each = (question: Question): ReadonlyArray<Finding> => {
    const { mode, scope } = question
    const earlier = members(before, { at: question.before, options: scope.before })
    const later = members(now, { at: question.now, options: scope.now })
    const isPlain = (parts: Parts, places: typeof earlier) => places.every(({ at }) => isPrimitive(parts[at]!))
    if (mode === "same" && (earlier.length !== 1 || later.length !== 1)) {
      if (!isPlain(before, earlier) || !isPlain(now, later)) {
        return [
          breaks("its members changed: which of them decodes a value, to which a function is applied, cannot be told")
        ]
      }
    }
    const names = new Set(earlier.map(({ at }) => label(before, at)))
    const added = question.isMember || later.length < 2 ? [] : later.map(({ at }) => label(now, at))
    return [
      ...added.filter((name) => !names.has(name)).map((name) => note(`it takes ${name}, too`)),
      ...earlier.map(({ at, options }) => ({
        question: {
          ...question,
          before: at,
          scope: { before: options, now: scope.now },
          isMember: question.isMember || earlier.length > 1
        }
      }))
    ]
  }

  /** Whether a member of a union is what the earlier part most likely became. */
  const isLike = (earlier: number, later: number): boolean => {
    const [a, b] = [unrefined(before, earlier).part, unrefined(now, later).part]
    if (a.tag !== b.tag || (a.tag === "keyword" && b.tag === "keyword" && a.keyword !== b.keyword)) return false
    const [left, right] = [tags(before, a), tags(now, b)]
    return left.size === 0 ? right.size === 0 : Array.from(left).every(([name, tag]) => right.get(name) === tag)
  }

  /** A union of now, of which one member has to take the earlier part. */
  const one = (question: Question, ask: Ask): ReadonlyArray<Finding> => {
    const { mode, scope } = question
    const earlier = before[question.before]!
    const later = members(now, { at: question.now, options: scope.now })
    if (mode === "same" && later.length > 1 && !isPrimitive(unrefined(before, question.before).part)) {
      return [breaks("it became a union: which member decodes a value, to which a function is applied, cannot be told")]
    }
    const choices = later.map(({ at, options }) => ({
      ...question,
      now: at,
      scope: { before: scope.before, now: options },
      isMember: true
    }))
    // a member may take only a part of what is refined or decoded here, and another one the rest
    const from = mode === "accepts" ? fromOf(earlier) : earlier.tag === "refinement" ? earlier.from : undefined
    const inner =
      from === undefined
        ? undefined
        : { ...question, before: from, scope: { ...scope, before: enter(scope.before, earlier) } }
    // the most likely ones first, and all others only where none of them does
    const like = choices.filter((choice) => isLike(question.before, choice.now))
    const answered = () => choices.filter((choice) => ask(choice))[0]
    const chosen = like.find(ask) ?? answered() ?? (inner !== undefined && ask(inner) ? inner : undefined)
    if (chosen !== undefined) {
      const name = label(before, question.before)
      const others = question.isMember ? [] : later.filter(({ at }) => at !== chosen.now && at !== question.now)
      return [
        ...others.flatMap(({ at }) => (label(now, at) === name ? [] : [note(`it takes ${label(now, at)}, too`)])),
        { question: chosen }
      ]
    }
    return like.length === 1
      ? [{ question: like[0]! }]
      : [breaks(`${label(before, question.before)} is not taken any more`)]
  }

  return { each, one }
}
