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
 * Whether `path` is one of the paths in `signals`, the JSON text of a `RunRow`: there `:` stands for the index of any
 * item. Throws when that text is not a list of strings.
 *
 * @since 0.1.0
 * @category predicates
 */
export const has = (signals: string, path: string): boolean => {
  const patterns: unknown = JSON.parse(signals)
  if (!Array.isArray(patterns)) throw new TypeError("the paths of the signals are not a list")
  const segments = path.split("/")
  return patterns.some((pattern: unknown) => {
    if (typeof pattern !== "string") throw new TypeError("a path of a signal is not a string")
    return fits(pattern.split("/"), segments)
  })
}
