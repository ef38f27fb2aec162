import { afterAll, assert, layer, vi } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Durability } from "heddle/model/RunPolicy"
import * as CrashExplorer from "heddle/testing/CrashExplorer"
import * as Points from "./Points.js"
import { compiled } from "./Process.js"
import { points as run } from "./Protocol.js"

const isFull = process.env.HEDDLE_CRASH_POINTS === "all"
const seed = Number(process.env.HEDDLE_CRASH_SEED ?? Date.now())

const columns = ["level", "killed", "points", "kills", "missed", "lost", "repeated", "unreadable"] as const
type Row = Record<(typeof columns)[number], number | string>
const table: Array<Row> = []

afterAll(() => {
  const lines = [columns, ...table.map((row) => columns.map((column) => `${row[column]}`))]
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)))
  console.log(
    [
      `a run of ${Points.modules} modules, killed and resumed; seed ${seed}`,
      ...lines.map((line) =>
        line.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ")
      )
    ].join("\n")
  )
})

class Program extends Context.Tag("heddle/test/crash/Program")<Program, string>() {}

const explore = (durability: Durability, killed: string) =>
  Effect.gen(function* () {
    const damages = new Map<string, Points.Damage>()
    const row = { lost: 0, repeated: 0, unreadable: 0 }
    const report = yield* CrashExplorer.explore({
      command: [process.execPath, yield* Program],
      env: { LAYERED_DURABILITY: durability },
      files: [run.filename],
      ...crashes[killed],
      inspect: (crash) =>
        Points.inspect(crash).pipe(
          Effect.tapDefect(() => Effect.sync(() => row.unreadable++)),
          Effect.map((damage) => {
            damages.set(crash.directory, damage)
            row.lost += damage.lost.length
          })
        ),
      resume: (crash) =>
        Effect.map(Points.resume(crash, durability), (began) => {
          row.repeated += damages.get(crash.directory)!.repeated(began).length
        }),
      check: durability === "memory" ? () => Effect.void : Points.check,
      timeout: "60 seconds"
    })
    const all = Object.values(report.points).reduce((sum, count) => sum + count, 0)
    table.push({
      ...{ level: durability, killed, points: report.notRun.length > 0 ? "not run" : all },
      ...{ kills: report.crashes.length, missed: report.missed.length, ...row }
    })
    assert.deepStrictEqual(report.failures, [], CrashExplorer.format(report))
    return { ...row, report }
  })

const guarantees: { readonly [D in Durability]: ReadonlyArray<"lost" | "repeated" | "unreadable"> } = {
  memory: ["unreadable"],
  buffered: ["repeated", "unreadable"],
  committed: ["lost", "repeated", "unreadable"],
  fsynced: ["lost", "repeated", "unreadable"]
}

/** How they are killed, by the words of the table. */
const crashes: Record<
  string,
  { readonly kinds: ReadonlyArray<CrashExplorer.Kind>; readonly points: CrashExplorer.Points }
> = isFull
  ? {
      "at each write of the store": { kinds: ["before", "after"], points: "all" },
      "in between": { kinds: ["note"], points: { sample: 24, seed } },
      "inside of a write": { kinds: ["write", "sync"], points: { sample: 60, seed } }
    }
  : {
      "around a write": { kinds: ["before", "after", "note"], points: { sample: 2, seed } },
      "inside of a write": { kinds: ["write", "sync"], points: { sample: 3, seed } }
    }

vi.setConfig({ testTimeout: isFull ? 600_000 : 120_000 })

layer(Layer.scoped(Program, compiled("./programs/layered.ts")), { excludeTestServices: true })(
  `a run of ${Points.modules} modules that is killed and resumed`,
  (it) => {
    for (const durability of Durability.literals) {
      for (const killed of Object.keys(crashes)) {
        // nothing of it is ever written
        if (durability === "memory" && !crashes[killed]!.kinds.includes("note")) continue
        it.effect(`${durability}, killed ${killed}`, (context) =>
          Effect.gen(function* () {
            const row = yield* explore(durability, killed)
            for (const guarantee of guarantees[durability]) assert.strictEqual(row[guarantee], 0, guarantee)
            // what counts the lost ones can see them
            if (durability === "memory" && isFull) assert.isAbove(row.lost, 0)
            if (row.report.notRun.length > 0) return context.skip(CrashExplorer.format(row.report))
            assert.isAbove(row.report.crashes.length, 0)
          })
        )
      }
    }
  }
)
