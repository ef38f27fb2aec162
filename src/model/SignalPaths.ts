/**
 * Which signals a run has.
 *
 * @since 0.1.0
 */

const isIndex = (segment: string): boolean => /^(0|[1-9][0-9]*)$/.test(segment)

const fits = (pattern: ReadonlyArray<string>, path: ReadonlyArray<string>): boolean =>
  pattern.length === path.length &&
  pattern.every((segment, i) => (segment === ":" ? isIndex(path[i]!) : segment === path[i]))

/**
 * Whether `path` is one of these paths of signals, as a plan has them: there `:` stands for the index of any item.
 *
 * @since 0.1.0
 * @category predicates
 */
export const includes = (signals: ReadonlyArray<string>, path: string): boolean => {
  let segments: ReadonlyArray<string> | undefined
  return signals.some((pattern) =>
    pattern.includes(":") ? fits(pattern.split("/"), (segments ??= path.split("/"))) : pattern === path
  )
}

/**
 * The same for `signals` as the JSON text of a `RunRow`. Throws when that text is not a list of strings.
 *
 * @since 0.1.0
 * @category predicates
 */
export const has = (signals: string, path: string): boolean => {
  const patterns: unknown = JSON.parse(signals)
  if (!Array.isArray(patterns)) throw new TypeError("the paths of the signals are not a list")
  return includes(patterns.map(asText), path)
}

const asText = (pattern: unknown): string => {
  if (typeof pattern !== "string") throw new TypeError("a path of a signal is not a string")
  return pattern
}
