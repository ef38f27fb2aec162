/**
 * Texts as PostgreSQL can keep them: it has no U+0000.
 */

/* eslint-disable no-control-regex -- control characters are what this is about */

/**
 * U+0000 becomes U+0001 U+0001, and U+0001 becomes U+0001 U+0002; a text with neither is itself. Different texts stay
 * different, their order by code points stays, and so does that one is the beginning of another.
 */
export const encode = (text: string): string =>
  text.includes("\u0000") || text.includes("\u0001")
    ? text.replace(/[\u0000\u0001]/g, (character) => (character === "\u0000" ? "\u0001\u0001" : "\u0001\u0002"))
    : text

/** The text that `encode` was given. */
export const decode = (stored: string): string =>
  stored.includes("\u0001")
    ? stored.replace(/\u0001([\u0001\u0002])/g, (_, second) => (second === "\u0001" ? "\u0000" : "\u0001"))
    : stored

export const encodeNullable = (text: string | null): string | null => (text === null ? null : encode(text))

export const decodeNullable = (stored: string | null): string | null => (stored === null ? null : decode(stored))
