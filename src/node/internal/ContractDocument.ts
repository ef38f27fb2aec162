/** From the text of a contract to its value, and where in the text each part of it is. */
import * as Yaml from "yaml"
import { isWellFormed } from "../../model/CanonicalJson.js"
import { type ContractFault, type Path, Problem } from "../ContractFault.js"
import type { Json } from "../Json.js"

export interface Limits {
  readonly bytes: number
  readonly depth: number
  readonly values: number
}

interface Position {
  readonly line: number
  readonly column: number
}

/** A value of the document: where it is, and what it holds. `verbatim` is how far behind its beginning a string is as it is. */
interface Located {
  readonly value: Position
  readonly verbatim: number | undefined
  readonly children: ReadonlyMap<string | number, { readonly key: Position; readonly located: Located }>
}

export interface ContractDocument {
  readonly value: Json
  /** Of the value there, or of the nearest that encloses what is not there. */
  readonly at: (path: Path) => Position
  readonly keyAt: (path: Path) => Position
  /** Of a character of a string, where the file has it as it is; of the string where it does not. */
  readonly characterAt: (path: Path, character: number) => Position
}

type Found = { readonly json: Json; readonly located: Located }

/** What ends the reading of a document at once. */
class Stop {
  constructor(readonly fault: ContractFault) {}
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length

/** Without `value` where the document has none that could be looked at further. */
export const read = (
  text: string,
  limits: Limits
): { readonly document: ContractDocument | undefined; readonly faults: ReadonlyArray<ContractFault> } => {
  const faults: Array<ContractFault> = []
  const lines = new Yaml.LineCounter()
  const position = (offset: number): Position => {
    // an offset at the very end may be beyond the last line
    const { col, line } = lines.linePos(Math.min(offset, Math.max(text.length - 1, 0)))
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const fault = (problem: Problem, path: Path, offset: number): ContractFault => ({
    ...problem,
    path,
    ...position(offset)
  })

  const bytes = byteLength(text)
  if (bytes > limits.bytes) {
    const problem = Problem.TooLarge({ of: "bytes", size: bytes, max: limits.bytes })
    return { document: undefined, faults: [{ ...problem, path: [], line: 1, column: 1 }] }
  }

  /** Stops at the limit of depth, before the composer and all that comes after it recurse into the tokens. */
  const tokens = (): ReadonlyArray<Yaml.CST.Token> => {
    const parser = new Yaml.Parser(lines.addNewLine)
    const found: Array<Yaml.CST.Token> = []
    let offset = 0
    lines.addNewLine(0)
    for (const lexeme of new Yaml.Lexer().lex(text)) {
      for (const token of parser.next(lexeme)) found.push(token)
      offset = parser.offset
      // the document itself is one of them
      if (parser.stack.length > limits.depth + 2)
        throw new Stop(fault(Problem.TooLarge({ of: "depth", size: undefined, max: limits.depth }), [], offset))
    }
    for (const token of parser.end()) found.push(token)
    return found
  }

  const anchors = new Map<string, Yaml.Node>()
  const open = new Set<Yaml.Node>()
  let values = 0

  const scalar = (node: Yaml.Scalar, path: Path, offset: number): Json => {
    const { value } = node
    if (value === null || typeof value === "boolean") return value
    if (typeof value === "number") {
      if (Number.isFinite(value)) return value
      faults.push(
        fault(Problem.InvalidValue({ value: String(value), reason: "JSON has no such number" }), path, offset)
      )
      return null
    }
    if (typeof value === "string") {
      if (isWellFormed(value)) return value
      faults.push(fault(Problem.InvalidValue({ value: "the text", reason: "it has a lone surrogate" }), path, offset))
      return ""
    }
    faults.push(fault(Problem.InvalidValue({ value: typeof value, reason: "JSON has no such value" }), path, offset))
    return null
  }

  const keyOf = (key: unknown, path: Path, offset: number): string | undefined => {
    const value = Yaml.isScalar(key) ? key.value : undefined
    if (typeof value === "string" && isWellFormed(value) && value !== "__proto__") return value
    const source = Yaml.isScalar(key) ? key.source : undefined
    if ((typeof value === "number" || typeof value === "boolean") && source !== undefined) return source
    const reason =
      value === "__proto__" ? "the key is reserved: choose another" : "a key is a text, as in JSON: put it in quotes"
    faults.push(fault(Problem.InvalidValue({ value: source ?? "the key", reason }), path, offset))
    return undefined
  }

  const collection = (node: Yaml.YAMLMap | Yaml.YAMLSeq, path: Path, here: Position): Found => {
    const children = new Map<string | number, { readonly key: Position; readonly located: Located }>()
    const located: Located = { value: here, verbatim: undefined, children }
    if (Yaml.isSeq(node)) {
      const json = node.items.map((item, at) => {
        const found = convert(item, [...path, at], here)
        children.set(at, { key: found.located.value, located: found.located })
        return found.json
      })
      return { json, located }
    }
    const entries: Array<readonly [string, Json]> = []
    for (const pair of node.items) {
      const keyOffset = Yaml.isNode(pair.key) ? (pair.key.range?.[0] ?? 0) : 0
      const key = keyOf(Yaml.isAlias(pair.key) ? undefined : pair.key, path, keyOffset)
      if (key === undefined) continue
      if (Yaml.isNode(pair.key) && "anchor" in pair.key && pair.key.anchor !== undefined)
        anchors.set(pair.key.anchor, pair.key)
      const twice = children.get(key)
      const below = [...path, key]
      const found = convert(pair.value, below, position(keyOffset))
      if (twice !== undefined) {
        faults.push(fault(Problem.DuplicateKey({ key, first: twice.key.line }), below, keyOffset))
        continue
      }
      children.set(key, { key: position(keyOffset), located: found.located })
      entries.push([key, found.json])
    }
    return { json: Object.fromEntries(entries), located }
  }

  /** `enclosing` is where a value that the text leaves out is said to be. */
  const convert = (node: unknown, path: Path, enclosing: Position): Found => {
    const nothing: Found = { json: null, located: { value: enclosing, verbatim: undefined, children: new Map() } }
    if (!Yaml.isNode(node)) return nothing
    const offset = node.range?.[0] ?? 0
    if (++values > limits.values)
      throw new Stop(fault(Problem.TooLarge({ of: "values", size: undefined, max: limits.values }), path, offset))
    if (Yaml.isAlias(node)) {
      const target = anchors.get(node.source)
      if (target !== undefined && !open.has(target)) return convert(target, path, enclosing)
      const reason = target === undefined ? "there is no such anchor before it" : "it contains itself"
      faults.push(fault(Problem.InvalidValue({ value: `*${node.source}`, reason }), path, offset))
      return nothing
    }
    if ("anchor" in node && node.anchor !== undefined) anchors.set(node.anchor, node)
    if (Yaml.isScalar(node)) {
      const source = text.slice(offset, node.range?.[1])
      const verbatim = source === node.value ? 0 : source.slice(1, -1) === node.value ? 1 : undefined
      return { json: scalar(node, path, offset), located: { value: position(offset), verbatim, children: new Map() } }
    }
    // the parser has stopped before, but for a level more or less; and aliases may nest what the text does not
    if (path.length >= limits.depth)
      throw new Stop(fault(Problem.TooLarge({ of: "depth", size: undefined, max: limits.depth }), path, offset))
    open.add(node)
    const found = collection(node, path, position(offset))
    open.delete(node)
    return found
  }

  try {
    const composer = new Yaml.Composer<Yaml.ParsedNode, false>({
      uniqueKeys: false,
      prettyErrors: false,
      merge: false,
      schema: "core"
    })
    const [first, ...others] = composer.compose(tokens(), true, text.length)
    for (const { message, pos } of [...(first?.errors ?? []), ...(first?.warnings ?? [])])
      faults.push(fault(Problem.Syntax({ reason: message }), [], pos[0]))
    if (others.length > 0) {
      const reason = "a file has one contract: put the next document into a file of its own"
      faults.push(fault(Problem.Syntax({ reason }), [], others[0]!.range[0]))
    }
    if (faults.length > 0 || first === undefined) return { document: undefined, faults }
    const { json, located } = convert(first.contents, [], position(0))
    return { document: documentOf(json, located), faults }
  } catch (thrown) {
    if (thrown instanceof Stop) return { document: undefined, faults: [thrown.fault] }
    throw thrown
  }
}

const documentOf = (value: Json, root: Located): ContractDocument => {
  const find = (path: Path) => {
    let found: { readonly key: Position; readonly located: Located } = { key: root.value, located: root }
    for (const key of path) {
      const child = found.located.children.get(key)
      if (child === undefined) break
      found = child
    }
    return found
  }
  return {
    value,
    at: (path) => find(path).located.value,
    keyAt: (path) => find(path).key,
    characterAt: (path, character) => {
      const { value, verbatim } = find(path).located
      return verbatim === undefined ? value : { line: value.line, column: value.column + verbatim + character }
    }
  }
}
