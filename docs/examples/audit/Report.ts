/** What an audit found, as Markdown. */
import type { RunId } from "heddle"
import type { Findings } from "./Audit.js"
import { classes } from "./Licence.js"

export interface Report {
  readonly folder: string
  readonly runId: RunId
  readonly findings: Findings
  /** Mermaid's text for the run. */
  readonly picture: string
}

/** Rows of a table that are shown; a report is to be read. */
const maxRows = 200

/** Names come from other people's files: as code they can be no Markdown and no link, and break no table. */
const code = (value: string): string => {
  const printable = value.replace(/\p{Cc}/gu, " ").replaceAll("|", "\\|")
  const fence = "`".repeat(1 + Math.max(0, ...(printable.match(/`+/g) ?? []).map((run) => run.length)))
  return fence === "`" ? `\`${printable}\`` : `${fence} ${printable} ${fence}`
}

const number = (value: number) => value.toLocaleString("en")

const size = (bytes: number) =>
  bytes < 1024
    ? `${bytes} B`
    : bytes < 1024 ** 2
      ? `${(bytes / 1024).toFixed(1)} kB`
      : `${(bytes / 1024 ** 2).toFixed(1)} MB`

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  rows.length === 0
    ? "None.\n"
    : [head, head.map(() => "---"), ...rows.slice(0, maxRows)].map((row) => `| ${row.join(" | ")} |\n`).join("") +
      (rows.length > maxRows ? `\nand ${number(rows.length - maxRows)} more.\n` : "")

const sum = (values: ReadonlyArray<number>) => values.reduce((a, b) => a + b, 0)

/** One line for those who do not read the report. */
export const summary = ({ contents, duplicates, licences, manifests }: Findings): string => {
  const doubtful = sum(licences.filter((use) => use.class !== "permissive").map(({ packages }) => packages.length))
  const broken = manifests.filter(({ problem }) => problem !== null).length
  return [
    `${number(manifests.length)} packages`,
    `${number(sum(contents.map(({ files }) => files)))} files`,
    size(sum(contents.map(({ bytes }) => bytes))),
    `${number(duplicates.length)} in several versions`,
    `${number(doubtful)} with a licence to look at`,
    `${number(broken)} with a broken manifest`
  ].join(", ")
}

export const markdown = ({ findings, folder, picture, runId }: Report): string => {
  const { contents, duplicates, licences, manifests } = findings
  const uses = [...licences].sort((a, b) => classes.indexOf(b.class) - classes.indexOf(a.class))
  const largest = [...contents].sort((a, b) => b.bytes - a.bytes).slice(0, 10)
  return `# Audit of ${code(folder)}

${summary(findings)}. This is run \`${runId}\`.

## Licences

${table(
  ["class", "licence", "packages"],
  uses.map((use) => [
    use.class,
    use.licence === "" ? "" : code(use.licence),
    use.class === "permissive" ? number(use.packages.length) : use.packages.map(code).join(", ")
  ])
)}
## Packages in several versions

${table(
  ["package", "version", "where"],
  duplicates.flatMap(({ name, versions }) =>
    versions.map(({ paths, version }) => [code(name), code(version), paths.map(code).join(", ")])
  )
)}
## Manifests that cannot be read

${table(
  ["package", "problem"],
  manifests.flatMap(({ path, problem }) => (problem === null ? [] : [[code(path), code(problem)]]))
)}
## Files that cannot be read

${table(
  ["package", "file"],
  contents.flatMap(({ path, unreadable }) => unreadable.map((file) => [code(path), code(file)]))
)}
## Largest packages

${table(
  ["package", "files", "size", "SHA-256"],
  largest.map(({ bytes, digest, files, path }) => [code(path), number(files), size(bytes), code(digest)])
)}
## The run

\`\`\`mermaid
${picture.trimEnd()}
\`\`\`
`
}
