/** From text to conditions and operands. */
import * as Either from "effect/Either"
import type { Condition, Operand, Path } from "../ConditionSyntax.js"
import { type ConditionFault, isWord, type Token, tokens } from "./ConditionLexer.js"

export const maxLength = 1000

/** How many parentheses, lists and `not` may be nested in each other. */
const maxDepth = 50

type Syntax = Condition | Operand

/** What leaves the parser at its first fault; nothing outside of this file meets it. */
class Refused {
  constructor(readonly fault: ConditionFault) {}
}

const isOperand = (syntax: Syntax): syntax is Operand => {
  switch (syntax._tag) {
    case "Literal":
    case "Path":
    case "List":
    case "Arithmetic":
      return true
    default:
      return false
  }
}

const comparisons: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="])

const reserved: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"])

/** Words of other languages that stand where an operator may, and what is written here instead. */
const foreign: ReadonlyMap<string, string> = new Map([
  ["is", "write `==`"],
  ["eq", "write `==`"],
  ["ne", "write `!=`"],
  ["gt", "write `>`"],
  ["lt", "write `<`"],
  ["contains", "write `item in list`"]
])

class Parser {
  private at = 0
  private depth = 0
  constructor(private readonly tokens: ReadonlyArray<Token>) {}

  private get next(): Token {
    // the last token is the end, and nothing goes beyond it
    return this.tokens[this.at]!
  }

  private refuse(token: Token, reason: string, operator?: string): never {
    throw new Refused({ position: token.position, operator, reason })
  }

  private take(text: string): boolean {
    const token = this.next
    const taken = (token.kind === "symbol" || token.kind === "name") && token.text === text
    if (taken) this.at++
    return taken
  }

  private expect(text: string): void {
    if (!this.take(text)) this.refuse(this.next, `\`${text}\` is missing before ${this.next.text}`)
  }

  private nested<A>(inner: () => A): A {
    if (++this.depth > maxDepth) this.refuse(this.next, `more than ${maxDepth} levels of nesting`)
    const result = inner()
    this.depth--
    return result
  }

  whole(): { readonly syntax: Syntax; readonly first: Token } {
    const first = this.next
    const syntax = this.or()
    const rest = this.next
    if (rest.kind === "name") {
      const instead = foreign.get(rest.text)
      this.refuse(
        rest,
        `the operator ${rest.text} is not supported${instead === undefined ? "" : `: ${instead}`}`,
        rest.text
      )
    }
    if (rest.kind !== "end") this.refuse(rest, `${rest.text} is too much`)
    return { syntax, first }
  }

  condition(syntax: Syntax, first: Token): Condition {
    if (!isOperand(syntax)) return syntax
    if (syntax._tag === "Path") return { _tag: "Holds", operand: syntax }
    if (syntax._tag === "Literal" && typeof syntax.value === "boolean")
      return { _tag: "Holds", operand: { _tag: "Literal", value: syntax.value } }
    return this.refuse(first, "this is a value, not a condition: compare it with something")
  }

  operand(syntax: Syntax, first: Token): Operand {
    if (isOperand(syntax)) return syntax
    return this.refuse(first, "this is a condition, not a value")
  }

  private or(): Syntax {
    const first = this.next
    let left = this.and()
    while (this.take("or")) {
      const second = this.next
      left = { _tag: "Or", left: this.condition(left, first), right: this.condition(this.and(), second) }
    }
    return left
  }

  private and(): Syntax {
    const first = this.next
    let left = this.not()
    while (this.take("and")) {
      const second = this.next
      left = { _tag: "And", left: this.condition(left, first), right: this.condition(this.not(), second) }
    }
    return left
  }

  private not(): Syntax {
    if (!this.take("not")) return this.comparison()
    const first = this.next
    return {
      _tag: "Not",
      condition: this.condition(
        this.nested(() => this.not()),
        first
      )
    }
  }

  private comparison(): Syntax {
    const first = this.next
    const left = this.sum()
    const operator = this.next
    const isComparison = operator.kind === "symbol" && comparisons.has(operator.text)
    if (!isComparison && !(operator.kind === "name" && operator.text === "in")) return left
    this.at++
    const second = this.next
    const right = this.operand(this.sum(), second)
    const third = this.next
    if ((third.kind === "symbol" && comparisons.has(third.text)) || (third.kind === "name" && third.text === "in"))
      this.refuse(third, "comparisons cannot be chained: join two with `and`")
    if (!isComparison) return { _tag: "Membership", item: this.operand(left, first), list: right }
    return {
      _tag: "Comparison",
      // one of `comparisons`
      operator: operator.text as "==",
      left: this.operand(left, first),
      right
    }
  }

  private sum(): Syntax {
    return this.arithmetic(["+", "-"], () => this.arithmetic(["*", "/"], () => this.primary()))
  }

  private arithmetic(operators: ReadonlyArray<"+" | "-" | "*" | "/">, inner: () => Syntax): Syntax {
    const first = this.next
    let left = inner()
    for (;;) {
      const operator = operators.find((operator) => this.take(operator))
      if (operator === undefined) return left
      const second = this.next
      left = {
        _tag: "Arithmetic",
        operator,
        left: this.operand(left, first),
        right: this.operand(inner(), second)
      }
    }
  }

  private primary(): Syntax {
    const token = this.next
    if (token.kind === "number" || token.kind === "string") {
      this.at++
      return { _tag: "Literal", value: token.value }
    }
    if (this.take("-")) {
      const digits = this.next
      if (digits.kind !== "number") this.refuse(token, "only a number can be negative: write 0 - a")
      this.at++
      // there is one zero
      return { _tag: "Literal", value: digits.value === 0 ? 0 : -digits.value }
    }
    if (this.take("(")) {
      const inner = this.nested(() => this.or())
      this.expect(")")
      return inner
    }
    if (this.take("[")) return { _tag: "List", items: this.nested(() => this.items()) }
    if (token.kind === "name") {
      this.at++
      switch (token.text) {
        case "true":
          return { _tag: "Literal", value: true }
        case "false":
          return { _tag: "Literal", value: false }
        case "null":
          return { _tag: "Literal", value: null }
        case "exists": {
          const root = this.next
          if (root.kind !== "name" || isWord(root.text)) this.refuse(root, "`exists` needs a path")
          this.at++
          return { _tag: "Exists", path: this.path(root) }
        }
        default:
          if (isWord(token.text)) this.refuse(token, `\`${token.text}\` cannot stand here`)
          return this.path(token)
      }
    }
    return this.refuse(token, `a value is missing before ${token.text}`)
  }

  private items(): ReadonlyArray<Operand> {
    const items: Array<Operand> = []
    if (this.take("]")) return items
    do {
      const first = this.next
      items.push(this.operand(this.sum(), first))
    } while (this.take(","))
    this.expect("]")
    return items
  }

  private path(root: Token): Path {
    if (this.take("(")) this.refuse(root, `there are no functions: ${root.text} cannot be called`, `${root.text}()`)
    if (reserved.has(root.text)) this.refuse(root, `${root.text} is reserved`)
    const segments: Array<string | number> = []
    for (;;) {
      const bracket = this.take("[")
      if (!bracket && !this.take(".")) return { _tag: "Path", root: root.text, segments }
      const token = this.next
      this.at++
      if (bracket && token.kind === "number" && Number.isSafeInteger(token.value)) segments.push(token.value)
      else if (bracket ? token.kind === "string" : token.kind === "name") {
        const segment = token.kind === "string" ? token.value : token.text
        if (reserved.has(segment)) this.refuse(token, `${segment} is reserved`)
        segments.push(segment)
      } else this.refuse(token, bracket ? "a string or an index is missing" : "a name is missing behind the dot")
      if (bracket) this.expect("]")
      else if (this.take("("))
        this.refuse(token, `there are no functions: ${token.text} cannot be called`, `${token.text}()`)
    }
  }
}

const parsed = <A, E>(
  text: string,
  of: (parser: Parser) => A,
  failed: (fault: ConditionFault) => E
): Either.Either<A, E> => {
  if (text.length > maxLength) {
    const reason = `it has ${text.length} characters, and at most ${maxLength} are allowed`
    return Either.left(failed({ position: maxLength, operator: undefined, reason }))
  }
  const found = tokens(text)
  if ("reason" in found) return Either.left(failed(found))
  try {
    return Either.right(of(new Parser(found)))
  } catch (thrown) {
    if (thrown instanceof Refused) return Either.left(failed(thrown.fault))
    throw thrown
  }
}

export const condition = <E>(text: string, failed: (fault: ConditionFault) => E): Either.Either<Condition, E> =>
  parsed(
    text,
    (parser) => {
      const { first, syntax } = parser.whole()
      return parser.condition(syntax, first)
    },
    failed
  )

export const operand = <E>(text: string, failed: (fault: ConditionFault) => E): Either.Either<Operand, E> =>
  parsed(
    text,
    (parser) => {
      const { first, syntax } = parser.whole()
      return parser.operand(syntax, first)
    },
    failed
  )
