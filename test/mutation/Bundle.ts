/** The seam through which faults are planted: tests alone build it. */
import { Effect } from "effect"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import type { Mutant } from "./Mutants.js"
import type * as Subject from "./subject.js"

interface Loader {
  readonly onLoad: (
    filter: { readonly filter: RegExp },
    load: (file: { readonly path: string }) => { readonly contents: string; readonly loader: "ts" }
  ) => void
}

interface Esbuild {
  readonly build: (options: { readonly [option: string]: unknown }) => Promise<unknown>
}

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The code of the file with the fault in it; a fault that has no place there any more is one to be looked at. */
const mutated = ({ fault, from, to }: Mutant, text: string): string => {
  const parts = text.split(from)
  if (parts.length !== 2) throw new Error(`the place of "${fault}" was found ${parts.length - 1} times`)
  return parts.join(to)
}

const plant = (mutant: Mutant) => ({
  name: "plant",
  setup: ({ onLoad }: Loader) => {
    const file = Path.join(root, "src", mutant.file)
    onLoad({ filter: new RegExp(`${file.replaceAll(/[.\\]/g, "\\$&")}$`) }, ({ path }) => ({
      contents: mutated(mutant, Fs.readFileSync(path, "utf8")),
      loader: "ts"
    }))
  }
})

const directory = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-mutation-"))
    Fs.symlinkSync(Path.join(root, "node_modules"), Path.join(directory, "node_modules"))
    return directory
  }),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

/** The scenarios over the code with a fault in it, or as it is. The compiler is the one that tsx brings. */
export const load = (mutant?: Mutant) =>
  Effect.gen(function* () {
    const require = createRequire(import.meta.url)
    const esbuild = createRequire(require.resolve("tsx/package.json"))("esbuild") as Esbuild
    const outfile = Path.join(yield* directory, "subject.mjs")
    yield* Effect.promise(() =>
      esbuild.build({
        absWorkingDir: root,
        entryPoints: [fileURLToPath(new URL("./subject.ts", import.meta.url))],
        tsconfig: Path.join(root, "tsconfig.json"),
        bundle: true,
        packages: "external",
        alias: {},
        platform: "node",
        format: "esm",
        target: "node20",
        logLevel: "error",
        outfile,
        plugins: mutant === undefined ? [] : [plant(mutant)]
      })
    )
    return yield* Effect.promise(
      () => import(/* @vite-ignore */ pathToFileURL(outfile).href) as Promise<typeof Subject>
    )
  })
