/** The words of conditions. */
import { isWellFormed } from "../../model/CanonicalJson.js"

/** Where a text is no condition, and why. */
export interface ConditionFault {
  readonly position: number
  readonly operator: string | undefined
  readonly reason: string
}

export type Token = { readonly position: number } & (
  | { readonly kind: "name"; readonly text: string }
  | { readonly kind: "number"; readonly text: string; readonly value: number }
  | { readonly kind: "string"; readonly text: string; readonly value: string }
  | { readonly kind: "symbol"; readonly text: string }
  | { readonly kind: "end"; readonly text: "the end" }
)

/** What other languages write, and what is written here instead. */
const foreign: ReadonlyMap<string, string> = new Map([
  ["&&", "write `and`"],
  ["||", "write `or`"],
  ["!", "write `not`"],
  ["=", "write `==`"],
  ["===", "write `==`"],
  ["!==", "write `!=`"],
  ["<>", "write `!=`"],
  ["%", "there is no remainder"],
  ["**", "there is no power"],
  ["=~", "there is no matching of patterns"],
  ["?", "write two conditions"],
  ["??", "write `exists`"],
  ["?.", "write `.`: a path that leads nowhere has no value"]
])

const symbols: ReadonlySet<string> = new Set([
  "==",
  "!=",
  "<=",
  ">=",
  "<",
  ">",
  "+",
  "-",
  "*",
  "/",
  "(",
  ")",
  "[",
  "]",
  ",",
  "."
])

const name = /[A-Za-z_$][A-Za-z0-9_$]*/y
const number = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const space = /[ \t\r\n]*/y
const operator = /[=!<>&|%^~?*+\-/.:@#]+/y
const string = /"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'/y

const words: ReadonlySet<string> = new Set(["and", "or", "not", "in", "exists", "true", "false", "null"])

export const isWord = (text: string): boolean => words.has(text)

/** Whether it may stand behind a dot in a path. */
export const isName = (text: string): boolean => /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(text)

const escapes: { readonly [letter: string]: string } = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }

/** Undefined for an escape that there is not. */
const unescape = (text: string): string | undefined => {
  let good = true
  const value = text.replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_, hex?: string, letter?: string) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    if ("\"'\\/".includes(letter!)) return letter!
    const escaped = Object.hasOwn(escapes, letter!) ? escapes[letter!] : undefined
    if (escaped === undefined) good = false
    return escaped ?? ""
  })
  return good ? value : undefined
}

const at = (pattern: RegExp, text: string, position: number): string | undefined => {
  pattern.lastIndex = position
  return pattern.exec(text)?.[0]
}

/** All tokens of a text, the end as the last, or the first fault. */
export const tokens = (text: string): ReadonlyArray<Token> | ConditionFault => {
  const found: Array<Token> = []
  const fault = (position: number, reason: string, operator?: string): ConditionFault => ({
    position,
    operator,
    reason
  })
  let position = 0
  for (;;) {
    position += at(space, text, position)!.length
    if (position === text.length) {
      found.push({ kind: "end", text: "the end", position })
      return found
    }
    const word = at(name, text, position)
    const digits = at(number, text, position)
    const quoted = at(string, text, position)
    const marks = at(operator, text, position)
    let taken: string
    if (word !== undefined) {
      taken = word
      found.push({ kind: "name", text: word, position })
    } else if (digits !== undefined) {
      taken = digits
      const value = Number(digits)
      if (!Number.isFinite(value)) return fault(position, `${digits} is too large a number`)
      found.push({ kind: "number", text: digits, value, position })
    } else if (quoted !== undefined) {
      taken = quoted
      const value = unescape(quoted.slice(1, -1))
      if (value === undefined) return fault(position, "the string has an escape that there is not")
      if (!isWellFormed(value)) return fault(position, "the string has a lone surrogate")
      found.push({ kind: "string", text: quoted, value, position })
    } else if (marks !== undefined) {
      // `a >-1` is two of them
      const known = [marks, marks.slice(0, 2), marks.slice(0, 1)].find((mark) => symbols.has(mark))
      const whole = marks === known || (known !== undefined && marks.slice(known.length) === "-")
      if (!whole) {
        const instead = foreign.get(marks)
        return fault(
          position,
          `the operator ${marks} is not supported${instead === undefined ? "" : `: ${instead}`}`,
          marks
        )
      }
      taken = known
      found.push({ kind: "symbol", text: known, position })
    } else {
      taken = text[position]!
      if (!symbols.has(taken))
        return fault(
          position,
          taken === '"' || taken === "'" ? "the string is not closed" : `${JSON.stringify(taken)} means nothing here`
        )
      found.push({ kind: "symbol", text: taken, position })
    }
    position += taken.length
  }
}
