import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Either, Fiber, Layer, Schedule } from "effect"
import { Diagram, Engine, Heddle, RunId, RunSnapshot } from "heddle"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Arguments from "../../docs/examples/audit/Arguments.js"
import * as Audit from "../../docs/examples/audit/Audit.js"
import * as Installed from "../../docs/examples/audit/Installed.js"
import * as Licence from "../../docs/examples/audit/Licence.js"
import * as Report from "../../docs/examples/audit/Report.js"
import * as Runs from "../../docs/examples/audit/Runs.js"
import * as Program from "./Program.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-audit-")))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

/** Writes files below a folder; a value that is not text is written as JSON. */
const write = (root: string, files: { readonly [path: string]: unknown }) => {
  for (const [path, content] of Object.entries(files)) {
    const file = Path.join(root, path)
    Fs.mkdirSync(Path.dirname(file), { recursive: true })
    Fs.writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content))
  }
}

const link = (root: string, from: string, to: string) => {
  Fs.mkdirSync(Path.dirname(Path.join(root, from)), { recursive: true })
  Fs.symlinkSync(to, Path.join(root, from))
}

const sha256 = (text: string) => Crypto.createHash("sha256").update(text).digest("hex")

const project = Effect.map(folder, (root) => {
  const mit = { version: "1.0.0", license: "MIT" }
  write(root, {
    "node_modules/plain/package.json": { name: "plain", ...mit },
    "node_modules/plain/index.js": "one",
    "node_modules/plain/lib/deep/a.js": "two",
    "node_modules/plain/lib/node_modules/bundled.js": "three",
    "node_modules/@scope/inner/package.json": { name: "@scope/inner", version: "2.0.0", license: { type: "ISC" } },
    "node_modules/old/package.json": {
      name: "old",
      version: "0.1.0",
      licenses: [{ type: "MIT" }, { type: "GPL-2.0" }]
    },
    "node_modules/older/package.json": { name: "older", version: "0.1.0", licenses: ["LGPL-3.0"] },
    "node_modules/bare/package.json": { name: "bare", version: "1.0.0" },
    "node_modules/broken/package.json": "|` is not JSON",
    "node_modules/nameless/package.json": "\ufeff{}",
    "node_modules/host/package.json": { name: "host", ...mit },
    "node_modules/host/node_modules/plain/package.json": { name: "plain", version: "2.0.0-rc", license: "MIT" },
    "node_modules/host/node_modules/@scope/inner/package.json": {
      name: "@scope/inner",
      version: "2.0.0",
      license: "ISC"
    },
    "node_modules/.bin/tool": "",
    "node_modules/.pnpm/linked@1/node_modules/linked/package.json": { name: "linked", ...mit },
    "node_modules/.pnpm/linked@1/node_modules/sibling/package.json": { name: "sibling", ...mit },
    "node_modules/empty/README.md": "no package",
    "elsewhere/package.json": { name: "elsewhere", ...mit }
  })
  link(root, "node_modules/linked", ".pnpm/linked@1/node_modules/linked")
  link(root, "node_modules/host/node_modules/host", "../../host")
  link(root, "node_modules/loop", "../node_modules")
  link(root, "node_modules/gone", "nowhere")
  link(root, "node_modules/outside", "../elsewhere")
  link(root, "node_modules/plain/self", ".")
  return root
})

const paths = [
  ".pnpm/linked@1/node_modules/linked",
  ".pnpm/linked@1/node_modules/sibling",
  "@scope/inner",
  "bare",
  "broken",
  "host",
  "host/node_modules/@scope/inner",
  "host/node_modules/plain",
  "nameless",
  "old",
  "older",
  "plain"
]

describe("the audit", () => {
  it.scoped("finds every package once, whatever the links do", () =>
    Effect.gen(function* () {
      const root = yield* project
      const found = yield* Installed.find(root)
      assert.strictEqual(found.folder, Path.join(root, "node_modules"))
      assert.deepStrictEqual(
        found.packages.map(({ path }) => path),
        paths
      )
      // the folder itself, as well as the project that has it
      assert.deepStrictEqual(yield* Installed.find(found.folder), found)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("refuses what is no folder and what has no packages", () =>
    Effect.gen(function* () {
      const root = yield* project
      const refused = (target: string) => Effect.map(Effect.flip(Installed.find(target)), ({ message }) => message)
      const [file, empty] = [Path.join(root, "elsewhere/package.json"), Path.join(root, "node_modules/empty")]
      assert.strictEqual(yield* refused(file), `"${file}" is not a folder`)
      assert.strictEqual(yield* refused(empty), `there are no packages in "${empty}"`)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("reads, hashes, classifies and compares them", () =>
    Effect.gen(function* () {
      const root = yield* project
      const { folder, packages } = yield* Installed.find(root)
      const dag = Audit.make("audit", packages)
      const handle = yield* Engine.start(dag, { folder, installed: packages })
      const findings = yield* handle.await

      assert.deepStrictEqual(
        findings.manifests.map(({ path }) => path),
        paths
      )
      assert.deepStrictEqual(
        findings.licences.map(({ class: of, licence, packages }) => [licence, of, packages.length]),
        [
          ["", "none", 1],
          ["(MIT OR GPL-2.0)", "permissive", 1],
          ["ISC", "permissive", 2],
          ["LGPL-3.0", "weak copyleft", 1],
          ["MIT", "permissive", 5]
        ]
      )
      assert.deepStrictEqual(findings.duplicates, [
        {
          name: "plain",
          versions: [
            { version: "1.0.0", paths: ["plain"] },
            { version: "2.0.0-rc", paths: ["host/node_modules/plain"] }
          ]
        }
      ])
      const plain = findings.contents.find(({ path }) => path === "plain")
      const manifest = Fs.readFileSync(Path.join(folder, "plain/package.json"), "utf8")
      const lines = [
        `${sha256("one")}  index.js\n`,
        `${sha256("two")}  lib/deep/a.js\n`,
        `${sha256("three")}  lib/node_modules/bundled.js\n`,
        `${sha256(manifest)}  package.json\n`,
        `${sha256(".")}  self\n`
      ]
      assert.deepStrictEqual(plain, {
        path: "plain",
        files: 5,
        bytes: manifest.length + 11,
        digest: sha256(lines.sort().join("")),
        unreadable: []
      })
      // what is installed inside of a package is not a part of it
      assert.strictEqual(findings.contents.find(({ path }) => path === "host")?.files, 1)

      const picture = yield* Diagram.mermaid(dag, { snapshot: yield* handle.snapshot })
      const report = Report.markdown({ folder, runId: handle.id, findings, picture })
      assert.include(report, "12 packages, 16 files")
      assert.include(report, "| none |  | `bare@1.0.0` |\n")
      assert.include(report, "| weak copyleft | `LGPL-3.0` | `older@0.1.0` |\n")
      assert.include(report, "| `plain` | `2.0.0-rc` | `host/node_modules/plain` |\n")
      // a message may have anything in it: a table still has its columns
      assert.match(report, /^\| `broken` \| (``+) (?:[^|\n]|\\\|)+ \1 \|$/m)
      assert.match(report, /^\| `nameless` \| `[^|\n]+` \|$/m)
      assert.include(report, "```mermaid\nflowchart LR\n")
      // a module is called after a package, whose scope does not make a path of it
      assert.include(picture, '"read 03 #64;scope#43;inner"')
      assert.include(report, ":::completed\n")
      assert.notInclude(report, ":::pending")
    }).pipe(Effect.provide(Layer.merge(Heddle.layerMemory, NodeContext.layer)))
  )

  it.scoped("reads many packages in few groups, and takes any name", () =>
    Effect.gen(function* () {
      const root = yield* folder
      for (let i = 0; i < 130; i++) {
        write(root, { [`package ${i} ${"\u0007🧵".repeat(40)}/package.json`]: { name: `p${i}`, version: "1.0.0" } })
      }
      const { folder: target, packages } = yield* Installed.find(root)
      const dag = Audit.make("audit", packages)
      const runId = RunId.make("many")
      const findings = yield* Engine.execute(dag, { folder: target, installed: packages }, { runId })
      assert.strictEqual(findings.manifests.length, 130)
      // 44 groups of three, twice, and what joins them
      assert.strictEqual((yield* Engine.get(runId)).total, 2 * 44 + 7)
    }).pipe(Effect.provide(Layer.merge(Heddle.layerMemory, NodeContext.layer)))
  )

  it.scoped("carries on the latest run; begins the next when that has ended, or the packages have changed", () =>
    Effect.gen(function* () {
      const root = yield* project
      const printed: Array<string> = []
      const console = { ...(yield* Effect.console), log: (line: string) => Effect.sync(() => void printed.push(line)) }
      const store = Heddle.layerSqlite({ filename: Path.join(root, "audit.db") })
      // one engine for each start, as each is a process of its own
      const start = Effect.gen(function* () {
        const handle = (yield* Runs.start({ ...(yield* Installed.find(root)), concurrency: 1 })).handle
        return [handle.id.split("-").at(-1), (yield* Effect.exit(handle.await))._tag]
      }).pipe(Effect.withConsole(console), Effect.provide(store))
      const fs = yield* FileSystem.FileSystem
      const cutOff = Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        const stuck: FileSystem.FileSystem = {
          ...fs,
          readFile: () => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)
        }
        const fiber = yield* Effect.fork(Effect.provideService(start, FileSystem.FileSystem, stuck))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
      })

      yield* cutOff
      assert.deepStrictEqual(yield* start, ["1", "Success"])
      assert.deepStrictEqual(yield* start, ["2", "Success"])
      yield* cutOff
      write(root, { "node_modules/plain/package.json": { name: "plain", version: "1.0.1" } })
      assert.deepStrictEqual(yield* start, ["4", "Success"])
      assert.deepStrictEqual(printed, [
        "starting run 1: 12 packages",
        "resuming run 1: 3 of 31 modules were done",
        "starting run 2: 12 packages",
        "starting run 3: 12 packages",
        "the packages have changed since run 3 was cut off: it is left as it is",
        "starting run 4: 12 packages"
      ])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it("classifies licence expressions", () => {
    const expected: ReadonlyArray<readonly [string, Licence.LicenceClass]> = [
      ["MIT", "permissive"],
      ["Apache 2.0", "permissive"],
      ["MPL-2.0", "weak copyleft"],
      ["LGPL-2.1-or-later", "weak copyleft"],
      ["GPL-2.0 WITH Classpath-exception-2.0", "weak copyleft"],
      ["AGPL-3.0-only", "strong copyleft"],
      ["CC-BY-SA-4.0", "strong copyleft"],
      ["SEE LICENSE IN LICENSE.md", "unknown"],
      ["", "none"],
      ["UNLICENSED", "none"],
      ["MIT OR GPL-3.0", "permissive"],
      ["MIT AND GPL-3.0", "strong copyleft"],
      ["(MIT OR GPL-3.0) AND MPL-2.0", "weak copyleft"],
      ["GPL-3.0 OR (MIT AND (MPL-2.0 OR AGPL-3.0))", "weak copyleft"],
      ["(MIT", "unknown"]
    ]
    for (const [expression, of] of expected) assert.strictEqual(Licence.classify(expression), of, expression)
  })

  it("takes its arguments apart", () => {
    const parsed = (...args: ReadonlyArray<string>) => Either.getOrThrow(Arguments.parse(args))
    const refused = (...args: ReadonlyArray<string>) => Either.getOrThrow(Either.flip(Arguments.parse(args))).message
    assert.deepStrictEqual(parsed("--target", "a", "--db=b=c", "--report", "r", "--concurrency", "2"), {
      target: "a",
      database: "b=c",
      report: "r",
      concurrency: 2,
      help: false
    })
    assert.isTrue(parsed("--help").help)
    assert.match(refused("--verbose"), /^"--verbose" is not an option/)
    assert.match(refused("folder"), /^"folder" is not an option/)
    assert.match(refused("--target"), /^--target needs a value/)
    assert.match(refused("--concurrency", "0"), /whole number/)
  })
})

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Work for a second or two: every package has many small files and a large one, which takes no space on the disk. */
const manyPackages = Effect.map(folder, (root) => {
  for (let i = 0; i < 40; i++) {
    const name = `p${String(i).padStart(2, "0")}`
    const at = Path.join(root, "node_modules", name)
    write(at, { "package.json": { name, version: "1.0.0", license: "MIT" } })
    for (let file = 0; file < 40; file++) Fs.writeFileSync(Path.join(at, `${file}.js`), String(file))
    Fs.writeFileSync(Path.join(at, "large"), "")
    Fs.truncateSync(Path.join(at, "large"), 16 * 1024 * 1024)
  }
  return root
})

/** Waits until a run in the file has so many completed modules: what another process did there is seen by looking again. */
const completed = (database: string, runId: RunId, count: number) =>
  Engine.get(runId).pipe(
    Effect.map((snapshot) => RunSnapshot.counts(snapshot).completed),
    Effect.catchTag("UnknownRun", () => Effect.succeed(0)),
    Effect.repeat({ until: (done) => done >= count, schedule: Schedule.spaced("10 millis") }),
    Effect.provide(Heddle.layerSqlite({ filename: database })),
    Effect.timeout("20 seconds")
  )

const resumed = (output: string) => {
  const [, number, done, total] = /resuming run (\d+): (\d+) of (\d+) modules were done/.exec(output)!
  return { number: Number(number), done: Number(done), total: Number(total) }
}

layer(Program.layer(Path.join(root, "docs/examples/audit/main.ts")), { excludeTestServices: true })(
  "the command",
  (it) => {
    it.scoped(
      "says in one line what is wrong with its target",
      () =>
        Effect.gen(function* () {
          const at = yield* folder
          const missing = yield* Program.start("--target", Path.join(at, "missing"))
          assert.strictEqual(yield* missing.ended, 1)
          assert.strictEqual(missing.output.stderr, `audit: there is no folder "${Path.join(at, "missing")}"\n`)
          assert.strictEqual(missing.output.stdout, "")
        }),
      60_000
    )

    it.scoped(
      "carries on after Ctrl-C at once, and after a kill",
      () =>
        Effect.gen(function* () {
          const target = yield* manyPackages
          const [database, report] = [Path.join(target, "audit.db"), Path.join(target, "report.md")]
          const again = Program.start("--target", target, "--db", database, "--report", report, "--concurrency", "1")
          const name = `audit-${sha256(Path.join(target, "node_modules")).slice(0, 12)}`
          const runId = RunId.make(`${name}-1`)

          const first = yield* again
          yield* first.prints("starting run 1: 40 packages")
          yield* completed(database, runId, 5)
          yield* first.kill("SIGINT")
          assert.strictEqual(yield* first.ended, 130, first.output.stderr)
          assert.include(first.output.stderr, "the same command carries on")
          assert.isFalse(Fs.existsSync(report))

          const second = yield* again
          yield* second.prints("modules were done")
          const afterInterrupt = resumed(second.output.stdout)
          assert.notInclude(second.output.stdout, "waiting")
          yield* completed(database, runId, afterInterrupt.done + 2)
          yield* second.kill("SIGKILL")
          assert.strictEqual(yield* second.ended, "SIGKILL", second.output.stderr)

          const third = yield* again
          assert.strictEqual(yield* third.ended, 0, third.output.stderr)
          // it waits for the rest of the dead process's heartbeat, if starting took less than that
          const afterKill = resumed(third.output.stdout)
          assert.isAtLeast(afterInterrupt.done, 5)
          assert.isAtLeast(afterKill.done, afterInterrupt.done + 2)
          assert.isBelow(afterKill.done, afterKill.total)
          assert.include(third.output.stdout, "40 packages, 1,680 files")
          assert.include(Fs.readFileSync(report, "utf8"), `This is run \`${runId}\`.`)
        }),
      60_000
    )
  }
)
