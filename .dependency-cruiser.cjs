// The folders of src are stages, and data flows one way through them: each stage may import the stages listed here.
// Everything else in src/store is an adapter.
const port = "store/(Run|State|Lease|Event|Flow)Store\\.ts$"
const stages = {
  model: ["model/"],
  dag: ["model/", "dag/"],
  plan: ["model/", "dag/", "plan/"],
  store: ["model/", "store/"],
  state: ["model/", "state/", port],
  run: ["model/", "dag/", "plan/", "state/", "run/"],
  node: ["model/", "dag/", "state/", "run/", "node/", port],
  registry: ["model/", "dag/", "plan/", "state/", "run/", "node/", "registry/", "store/FlowStore\\.ts$"],
  testing: [""]
}
const names = Object.keys(stages).join("|")

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    { name: "no-cycle", severity: "error", from: { path: "^src/" }, to: { circular: true } },
    { name: "not-resolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    ...Object.entries(stages).map(([stage, allowed]) => ({
      name: `stage-${stage}`,
      comment: `src/${stage} may import only: ${allowed.join(", ")}`,
      severity: "error",
      from: { path: `^src/${stage}/` },
      to: { path: "^src/", pathNot: `^src/(${allowed.join("|")})` }
    })),
    {
      name: "only-heddle-joins",
      comment: "Outside of the stages, only src/Heddle.ts and src/index.ts may import from them.",
      severity: "error",
      from: { path: "^src/", pathNot: `^src/((${names})/|Heddle\\.ts$|index\\.ts$)` },
      to: { path: "^src/" }
    },
    {
      name: "internal-of-another-stage",
      severity: "error",
      from: { path: "^src/([^/]+)/" },
      to: { path: "^src/.*internal/", pathNot: "^src/$1/" }
    },
    {
      name: "internal-of-a-stage",
      severity: "error",
      from: { path: "^(src/[^/]+$|docs/)" },
      to: { path: "^src/.+/internal/" }
    },
    {
      name: "src-imports-src",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|docs|benchmarks)/" }
    },
    {
      name: "docs-import-heddle",
      comment: "An example imports Heddle as a user does.",
      severity: "error",
      from: { path: "^docs/" },
      to: { path: "^src/", dependencyTypesNot: ["aliased-tsconfig-paths"] }
    }
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"]
    }
  }
}
