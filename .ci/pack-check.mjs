// Packs what would be published, checks the tarball, installs it in an empty folder and runs a Dag from there.
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, sep } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const folder = mkdtempSync(join(tmpdir(), "heddle-pack-"))

const run = (title, cwd, command, args) => {
  console.log(`pack-check: ${title}`)
  // npm and npx are .cmd files on Windows, which only a shell starts.
  const shell = process.platform === "win32" && command !== process.execPath
  const result = spawnSync(command, args, { cwd, shell, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
  if (result.status === 0) return result.stdout
  console.log(result.stdout)
  throw new Error(`pack-check: failed: ${title}`, { cause: result.error })
}

const smoke = `
import assert from "node:assert/strict"
import { Dag, Engine, Heddle, Module } from "heddle"
import { Effect, Schema } from "effect"

const n = Module.input("n", Schema.Number)
const double = Module.make("double", { needs: { n }, output: Schema.Number, run: ({ n }) => Effect.succeed(n * 2) })
const Smoke = Dag.make("smoke", { outputs: { double } })
const result = await Effect.runPromise(
  Engine.execute(Smoke, { n: 21 }).pipe(Effect.provide(Heddle.layerSqlite({ filename: "smoke.db" })))
)
assert.deepEqual(result, { double: 42 })

for (const path of process.argv.slice(2)) {
  await assert.rejects(import(path), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" }, path + " must not be importable")
}
`

try {
  const packed = JSON.parse(run("npm pack", root, "npm", ["pack", "--json", "--pack-destination", folder]))
  const tarball = join(folder, packed[0].filename)
  const modules = readdirSync(join(root, "dist"), { recursive: true })
    .filter((file) => file.endsWith(".js"))
    .map((file) => file.split(sep).join("/").slice(0, -".js".length))
  const isInternal = (module) => module.split("/").includes("internal")
  const subpaths = modules.filter((module) => module !== "index" && !isInternal(module))
  const internals = modules.filter(isInternal)

  run("publint", root, "npx", ["publint", "run", tarball, "--strict"])
  run("attw", root, "npx", [
    ...["attw", tarball, "--profile", "esm-only", "--format", "ascii"],
    ...["--entrypoints", ".", ...subpaths]
  ])

  const peers = Object.keys(manifest.peerDependencies)
    .filter((name) => manifest.peerDependenciesMeta?.[name]?.optional !== true)
    .map((name) => [name, manifest.devDependencies[name]])
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({
      private: true,
      type: "module",
      dependencies: { heddle: `file:${tarball}`, ...Object.fromEntries(peers) },
      allowScripts: manifest.allowScripts
    })
  )
  writeFileSync(join(folder, "smoke.mjs"), smoke)
  run("install the tarball and its peers", folder, "npm", [
    "install",
    // the binding of SQLite is taken from here: compiling it again takes a minute, and is no part of what is checked
    ...["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"]
  ])
  const binding = "node_modules/better-sqlite3/build"
  cpSync(join(root, binding), join(folder, binding), { recursive: true })
  run("run a Dag, import internals", folder, process.execPath, [
    "smoke.mjs",
    ...["internal/x", "run/internal/x", "store/internal/x", ...internals].map((module) => `heddle/${module}`)
  ])
  console.log(`pack-check: passed, ${subpaths.length + 1} public modules, ${internals.length} internal`)
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
