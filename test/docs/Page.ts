/** Pages of the documentation, as those who hold them against the code read them. */
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.resolve(import.meta.dirname, "../..")

export const read = (file: string): string => Fs.readFileSync(Path.join(root, file), "utf8")

/** The texts of the fenced blocks in this language. */
export const blocks = (page: string, language: string): ReadonlyArray<string> =>
  Array.from(page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms")), ([, text]) => text!)

/** What stands under each heading of this level, up to the next one. */
export const sections = (page: string, level: number): ReadonlyMap<string, string> => {
  const marks = "#".repeat(level)
  const parts = page.split(new RegExp(`^(?=#{1,${level}} )`, "m"))
  return new Map(
    parts
      .filter((part) => part.startsWith(`${marks} `))
      .map((part) => {
        const end = part.indexOf("\n")
        return [part.slice(level + 1, end), part.slice(end)] as const
      })
  )
}

/** The cells of the rows of all tables, without their heads. */
export const rows = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = text.split("\n")
  return lines
    .filter(
      (line, i) =>
        line.startsWith("| ") && !/^\| -/.test(line) && !/^\| -/.test(lines[i + 1] ?? "") && line.endsWith("|")
    )
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim())
    )
}

/** What a cell has in backticks. */
export const codes = (cell: string): ReadonlyArray<string> =>
  Array.from(cell.matchAll(/`([^`]+)`/g), ([, code]) => code!)
