/**
 * The order of UTF-8 bytes, which databases use: that of code points.
 */

// Code units differ from it above U+D800: surrogates, which are parts of code points above U+FFFF, come last.
const codeUnit = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)

export const compare = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = codeUnit(a.charCodeAt(i)) - codeUnit(b.charCodeAt(i))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/**
 * The first text that comes after all that begin with the prefix; undefined when there is none, as for an empty prefix.
 * The texts that begin with it are those that are not before it, and before this one.
 */
export const end = (prefix: string): string | undefined => {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0)
  for (;;) {
    const last = points.pop()
    if (last === undefined) return undefined
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1)
  }
}
