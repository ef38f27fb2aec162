/** Programs as files that start in a fraction of the time: each with all that it imports. */
import { createRequire } from "node:module"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

interface Esbuild {
  readonly build: (options: { readonly [option: string]: unknown }) => Promise<unknown>
}

/**
 * Writes `name.mjs` for each `name.ts`. The compiler is the one that tsx brings. What is not bundled is found from
 * `outdir`, or from a folder above it.
 */
export const bundle = (options: {
  readonly entryPoints: ReadonlyArray<string>
  readonly outdir: string
}): Promise<unknown> => {
  const require = createRequire(import.meta.url)
  const esbuild = createRequire(require.resolve("tsx/package.json"))("esbuild") as Esbuild
  return esbuild.build({
    ...options,
    absWorkingDir: root,
    outExtension: { ".js": ".mjs" },
    tsconfig: Path.join(root, "tsconfig.json"),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["better-sqlite3"],
    // some of what is bundled is CommonJS
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    logLevel: "error"
  })
}
