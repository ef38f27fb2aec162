/**
 * Texts of any length in a column of an index, which takes no long ones.
 */
import { createHash } from "node:crypto"
import * as PostgresText from "./PostgresText.js"

/** So many bytes that two such columns fit into a row of an index, which has at most 2,704 (of pages of 8 kB). */
const maxBytes = 1000

/** What is in the column, and the whole text where that is not all of it. */
export interface Key {
  readonly key: string
  readonly text: string | null
}

/** No text has this in its encoding. */
const mark = "\u0001\u0003"

const digest = (text: string): string => mark + createHash("sha256").update(text).digest("hex")

export const of = (text: string): Key => {
  const encoded = PostgresText.encode(text)
  // most are far from it, and a character has at most three bytes
  if (encoded.length * 3 <= maxBytes || Buffer.byteLength(encoded) <= maxBytes) return { key: encoded, text: null }
  return { key: digest(encoded), text: encoded }
}

/** What is in the column for a text. */
export const keyOf = (text: string): string => of(text).key

/** The text that `of` was given. */
export const textOf = ({ key, text }: Key): string => PostgresText.decode(text ?? key)
