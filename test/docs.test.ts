/**
 * Holds README.md and docs/ against the code. They are written for readers only; what this file makes of them:
 *
 * - a `ts` block is a module of its own, in a folder that the blocks of its page share; `// name.ts` in its first line
 *   names it, so that others can import it
 * - a `console` block is a session: each `$ npx tsx name.ts` is run in a process of its own and prints the lines below
 *   it; one that ends with `^C` is killed when it has printed them. The program is bundled first, by the compiler that
 *   tsx has, so that it starts in a fraction of the time
 * - a block that no session runs is run here; the `text` block behind it is what it prints, without one it prints nothing
 * - a block that is named `*.test.ts` has tests, which become tests of this file
 * - an `@example` of a comment in src is compiled and not run
 */
import { afterAll, assert, describe, it, vi } from "@effect/vitest"
import { spawn, type ChildProcess } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Readline from "node:readline"
import { pathToFileURL } from "node:url"
import { format } from "node:util"
import { bundle } from "./examples/Bundle.js"

const root = Path.resolve(import.meta.dirname, "..")
const read = (file: string) => Fs.readFileSync(Path.join(root, file), "utf8")

const filesBelow = (folder: string, extension: string): ReadonlyArray<string> =>
  Fs.readdirSync(Path.join(root, folder), { recursive: true, encoding: "utf8" })
    .map((file) => `${folder}/${file.split(Path.sep).join("/")}`)
    .filter((file) => file.endsWith(extension) && !file.includes("node_modules"))
    .sort()

interface Block {
  readonly language: string
  readonly code: string
  /** Of its first line in its file, from 1. */
  readonly line: number
}

/** The fenced blocks of a text, each line of which may have a margin. */
const blocksOf = (text: string, margin = ""): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  let open: { readonly language: string; readonly line: number; readonly code: Array<string> } | undefined
  for (const [index, whole] of text.split("\n").entries()) {
    const line = whole.startsWith(margin) ? whole.slice(margin.length) : whole.slice(margin.trimEnd().length)
    const fence = /^```(\w*)$/.exec(line)
    if (open === undefined) {
      if (fence !== null) open = { language: fence[1]!, line: index + 2, code: [] }
    } else if (fence === null) open.code.push(line)
    else {
      blocks.push({ ...open, code: open.code.join("\n") })
      open = undefined
    }
  }
  return blocks
}

interface Program extends Block {
  readonly file: string
  /** What it prints, where the page says. */
  readonly prints: string | undefined
}

interface Step {
  readonly file: string
  readonly prints: ReadonlyArray<string>
  readonly killed: boolean
}

const stepsOf = ({ code }: Block): ReadonlyArray<Step> =>
  code
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const [command, ...lines] = step.trimEnd().split("\n")
      const file = /^npx tsx ([\w.-]+)$/.exec(command!)?.[1]
      assert.isDefined(file, `only a program of the page can be run, not ${command}`)
      const killed = lines.at(-1) === "^C"
      return { file: file, prints: killed ? lines.slice(0, -1) : lines, killed }
    })

const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-docs-"))
afterAll(() => Fs.rmSync(folder, { recursive: true, force: true }))
const write = (file: string, text: string) => {
  Fs.mkdirSync(Path.dirname(Path.join(folder, file)), { recursive: true })
  Fs.writeFileSync(Path.join(folder, file), text)
}

write("package.json", JSON.stringify({ type: "module" }))
Fs.symlinkSync(Path.join(root, "node_modules"), Path.join(folder, "node_modules"), "junction")

const pages = ["README.md", ...filesBelow("docs", ".md")].map((page) => {
  const blocks = blocksOf(read(page))
  const own = page.replace(/\.md$/, "")
  const programs = blocks.flatMap((block, index): ReadonlyArray<Program> => {
    if (block.language !== "ts") return []
    const name = /^\/\/ ([\w.-]+\.ts)\n/.exec(block.code)?.[1] ?? `line-${block.line}.ts`
    const next = blocks[index + 1]
    return [{ ...block, file: name, prints: next?.language === "text" ? next.code : undefined }]
  })
  for (const { code, file } of programs) write(`${own}/${file}`, `${code}\n`)
  const sessions = blocks.filter(({ language }) => language === "console").map(stepsOf)
  return { page, folder: Path.join(folder, own), programs, steps: sessions.flat() }
})

const examples = filesBelow("src", ".ts").flatMap((file) =>
  blocksOf(read(file), " * ")
    .filter(({ language }) => language === "ts")
    .map((block) => ({ ...block, source: file }))
)
for (const { code, line, source } of examples) write(source.replace(/\.ts$/, `-${line}.ts`), `${code}\n`)

/** A chain of consts, each inferred from the one before, of which the last is asked first; annotated in the middle. */
const chain = (length: number) => `
import { Module } from "heddle"
export declare const last: (typeof m${length})["name"]
const m0 = Module.pure("m0", { run: (): number => 0 })
${Array.from({ length }, (_, i) => {
  const annotation = i === length / 2 ? ": Module.Of<number>" : ""
  return `const m${i + 1}${annotation} = Module.pure("m${i + 1}", { needs: { m${i} }, run: ({ m${i} }) => m${i} + 1 })`
}).join("\n")}
`
write("chain.ts", chain(300))

const ended = (child: ChildProcess) => new Promise<number | null>((resolve) => child.on("close", resolve))

const start = (cwd: string, args: ReadonlyArray<string>, stderr: Array<string>) => {
  const env = { ...process.env, NO_COLOR: "1" }
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: 110_000 })
  child.stderr.on("data", (chunk) => stderr.push(String(chunk)))
  return child
}

/** Runs one step of a session and gives the lines that it printed. */
const run = async (cwd: string, { file, killed, prints }: Step) => {
  const stderr: Array<string> = []
  const child = start(cwd, [`bundled/${file.replace(/\.ts$/, ".mjs")}`], stderr)
  const printed: Array<string> = []
  Readline.createInterface({ input: child.stdout }).on("line", (line) => {
    printed.push(line)
    if (killed && printed.length === prints.length) child.kill("SIGKILL")
  })
  const code = await ended(child)
  return { printed, code, stderr: stderr.join("") }
}

// side by side, because all they do here is wait
describe.concurrent("programs", () => {
  it("compile, and so do the examples in the comments of src", { timeout: 120_000 }, async () => {
    assert.isAbove(examples.length, 5)
    write(
      "tsconfig.json",
      JSON.stringify({
        extends: Path.join(root, "tsconfig.json"),
        compilerOptions: { noUnusedLocals: false, plugins: [] },
        include: ["**/*.ts"]
      })
    )
    const stderr: Array<string> = []
    const child = start(folder, [Path.join(root, "node_modules/typescript/bin/tsc"), "--pretty", "false"], stderr)
    let problems = ""
    child.stdout.on("data", (chunk) => (problems += String(chunk)))
    const code = await ended(child)
    assert.strictEqual(problems + stderr.join(""), "")
    assert.strictEqual(code, 0)
  })

  for (const { folder, page, steps } of pages.filter(({ steps }) => steps.length > 0)) {
    it(`of the sessions in ${page} print what is there`, { timeout: 120_000 }, async ({ expect }) => {
      const entryPoints = [...new Set(steps.map(({ file }) => Path.join(folder, file)))]
      await bundle({ entryPoints, outdir: Path.join(folder, "bundled") })
      for (const step of steps) {
        const { code, printed, stderr } = await run(folder, step)
        expect(printed, `npx tsx ${step.file}\n${stderr}`).toEqual(step.prints)
        expect(code).toBe(step.killed ? null : 0)
      }
    })
  }
})

describe("programs", () => {
  it("import only what is public", () => {
    const codes = [...pages.flatMap(({ programs }) => programs), ...examples].map(({ code }) => code)
    const imports = codes.flatMap((code) => Array.from(code.matchAll(/from "(heddle[^"]*)"/g), ([, from]) => from!))
    assert.isAbove(imports.length, 10)
    for (const from of new Set(imports)) {
      assert.notMatch(from, /internal/)
      const file = from.replace("heddle", "src")
      assert.isTrue(
        [`${file}.ts`, `${file}/index.ts`].some((path) => Fs.existsSync(Path.join(root, path))),
        from
      )
    }
  })

  for (const { folder, page, programs, steps } of pages) {
    const others = programs.filter(({ file }) => steps.every((step) => step.file !== file))
    for (const { file, line, prints } of others.filter(({ file }) => !file.endsWith(".test.ts"))) {
      it(`${page}:${line} runs`, async () => {
        const printed: Array<string> = []
        const log = vi.spyOn(console, "log").mockImplementation((...args) => void printed.push(format(...args)))
        try {
          await import(/* @vite-ignore */ pathToFileURL(Path.join(folder, file)).href)
        } finally {
          log.mockRestore()
        }
        assert.strictEqual(printed.join("\n").trimEnd(), prints ?? "")
      })
    }

    for (const { file } of programs.filter(({ file }) => file.endsWith(".test.ts"))) {
      describe(`${file} of ${page}`, async () => {
        await import(/* @vite-ignore */ pathToFileURL(Path.join(folder, file)).href)
      })
    }
  }
})

describe("pages", () => {
  const anchorsOf = (text: string) =>
    Array.from(text.matchAll(/^#+ (.*)$/gm), ([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\w -]/g, "")
        .replaceAll(" ", "-")
    )

  interface Link {
    readonly target: string
    readonly file: string
    readonly anchor: string | undefined
  }

  /** The links of a page that lead to files of the project. */
  const linksOf = (page: string): ReadonlyArray<Link> =>
    Array.from(read(page).matchAll(/\]\(([^)\s]+)\)/g)).flatMap(([, target]) => {
      if (/^\w+:/.test(target!)) return []
      const [file, anchor] = target!.split("#")
      const linked = file === "" ? page : Path.posix.join(Path.posix.dirname(page), file!)
      return [{ target: target!, file: linked, anchor }]
    })

  it("have links that lead somewhere", () => {
    for (const page of [...pages.map(({ page }) => page), "CHANGELOG.md", "CONTRIBUTING.md"]) {
      for (const { anchor, file, target } of linksOf(page)) {
        assert.isTrue(Fs.existsSync(Path.join(root, file)), `${page} links to ${file}`)
        if (anchor !== undefined) assert.include(anchorsOf(read(file)), anchor, `${page} links to ${target}`)
      }
    }
  })

  it("are reached from README.md by links", () => {
    const reached = new Set(["README.md"])
    for (const page of reached) {
      for (const { file } of linksOf(page)) if (file.endsWith(".md")) reached.add(file)
    }
    assert.includeMembers(
      [...reached],
      pages.map(({ page }) => page)
    )
  })

  const manifest = JSON.parse(read("package.json")) as {
    readonly peerDependencies: { readonly [name: string]: string }
    readonly peerDependenciesMeta: { readonly [name: string]: { readonly optional: boolean } }
    readonly scripts: { readonly [name: string]: string }
  }

  it("name scripts that there are", () => {
    for (const { page } of pages) {
      for (const [, script] of read(page).matchAll(/npm run ([\w:]+)/g))
        assert.property(manifest.scripts, script!, page)
    }
  })

  it("install every peer in its range, those that are optional on the page of the stores", () => {
    const isOptional = ([name]: readonly [string, string]) => manifest.peerDependenciesMeta[name]?.optional === true
    const inRange = ([name, range]: readonly [string, string]) => `${name}@${range}`
    const peers = Object.entries(manifest.peerDependencies)
    const required = peers.filter((peer) => !isOptional(peer)).map(inRange)
    for (const page of ["README.md", "docs/getting-started.md"]) {
      const line = read(page)
        .split("\n")
        .find((line) => line.startsWith("npm install heddle"))
      assert.sameMembers(line!.split(" ").slice(3), required, page)
    }
    const lines = read("docs/stores.md").split("\n")
    for (const peer of peers.filter(isOptional).map(inRange)) assert.include(lines, `npm install ${peer}`)
  })

  it("README.md is short", () => {
    assert.isAtMost(read("README.md").split("\n").length, 201)
  })
})
