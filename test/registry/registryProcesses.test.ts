/** Processes that change the same flows at once: together they have gone through one order, as in one process. */
import { assert, layer, vi } from "@effect/vitest"
import { Chunk, Context, Effect, Layer, Schema, Stream } from "effect"
import { FlowRegistry } from "heddle"
import { FlowStore } from "heddle/store/FlowStore"
import { fileURLToPath } from "node:url"
import * as Database from "../chaos/Database.js"
import * as Program from "../examples/Program.js"
import { withPostgres } from "../services/Services.js"
import { temporaryFile } from "../store/SqliteFile.js"
import * as FlowClient from "./FlowClient.js"
import * as FlowModel from "./FlowModel.js"
import { assertOrder, type Call } from "./FlowOrder.js"
import { layerOf, said, Settings, start } from "./processes/Settings.js"

const main = fileURLToPath(new URL("./processes/main.ts", import.meta.url))

// processes take their time on a busy machine
vi.setConfig({ testTimeout: 60_000 })

/** What a process has printed of its calls: what they were given is encoded as it is. */
const callsOf = ({ output }: Program.Process): ReadonlyArray<Call> => {
  const line = output.stdout.split("\n").find((line) => line.startsWith(said.calls))
  assert(line !== undefined, output.stdout + output.stderr)
  return JSON.parse(line.slice(said.calls.length)) as ReadonlyArray<Call>
}

const shown = (flows: Settings["flows"]) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      FlowRegistry.layer({ poll: "5 millis" }).pipe(Layer.provideMerge(layerOf(flows)))
    )
    const client = { registry: Context.get(context, FlowRegistry.FlowRegistry), store: Context.get(context, FlowStore) }
    const calls: Array<Call> = []
    for (const name of ["a", "b"]) yield* FlowClient.call(client, calls, FlowClient.registering(name), `test ${name}`)
    const watched: Array<FlowRegistry.FlowChange> = []
    yield* Effect.fork(
      Stream.runForEach(client.registry.changes, (change) => Effect.sync(() => void watched.push(change)))
    )
    const names = ["first", "second"]
    const processes = yield* Effect.forEach(
      names,
      (name, i) => {
        const settings = new Settings({ name, seed: 1000 * i, clients: 4, each: 20, flows })
        return Program.start(JSON.stringify(Schema.encodeSync(Settings)(settings)))
      },
      { concurrency: "unbounded" }
    )
    for (const { output, prints } of processes) {
      yield* Effect.timeoutFail(prints(said.ready), { duration: "20 seconds", onTimeout: () => output.stderr })
    }
    yield* FlowClient.call(client, calls, FlowClient.registering(start), "test start")
    for (const process of processes) {
      assert.strictEqual(yield* Effect.timeout(process.ended, "20 seconds"), 0, process.output.stderr)
      calls.push(...callsOf(process))
    }
    const audit = Chunk.toReadonlyArray(yield* Stream.runCollect(client.registry.audit()))
    yield* Effect.timeout(FlowClient.tellsOf(watched, audit.at(-1)!), "10 seconds")

    // each revision is there once, and what was there at the end is what the last of them says
    const replayed = new Map<string, FlowRegistry.AuditEntry>()
    for (const entry of audit) {
      const key = FlowModel.keyOf(entry)
      assert.strictEqual(entry.revision, (replayed.get(key)?.revision ?? 0) + 1, `the revisions of ${key}`)
      replayed.set(key, entry)
    }
    const present = yield* client.registry.list()
    assert.deepStrictEqual(
      present,
      [...replayed.keys()].sort().flatMap((key) => replayed.get(key)!.flow ?? [])
    )
    // whoever was told of a change that it had asked for is in the trail, once, with what it was told
    for (const { actor, command, result } of calls) {
      const own = audit.filter((entry) => entry.actor === actor)
      if (typeof result === "string") assert.lengthOf(own, 0, `${actor} was refused: ${result}`)
      if (!Array.isArray(result) || command._tag === "remove") continue
      for (const flow of result.filter(({ updatedBy }) => updatedBy === actor)) {
        const entries = own.filter(({ name, revision }) => name === flow.name && revision === flow.revision)
        assert.deepStrictEqual(
          entries.map(({ flow }) => flow && FlowModel.modelOf(flow)),
          [flow],
          actor
        )
      }
    }
    // and all of it together is one order, of what the model allows
    const position = yield* client.store.position
    assertOrder({ audit, calls, flows: present, position, watched })

    // it was at the same time, and there was something to decide
    const [one, two] = names.map((name) =>
      audit.flatMap(({ actor, position }) => (actor.startsWith(name) ? [position] : []))
    )
    assert.isAbove(Math.min(one!.length, two!.length), 5)
    assert.isBelow(Math.max(one![0]!, two![0]!), Math.min(one!.at(-1)!, two!.at(-1)!), "both at once")
    const conflicts = calls.filter(({ result }) => result === "FlowConflict")
    assert.isAbove(conflicts.length, 0)
    for (const tag of ["setFlowStatus", "acceptDrift"]) {
      for (const isBased of [false, true]) {
        const made = calls.filter(({ actor, based, command }) => {
          const isMade = audit.some((entry) => entry.actor === actor)
          return command._tag === tag && isMade && (based !== undefined) === isBased
        })
        assert.isAbove(made.length, 0, `${tag}, ${isBased ? "with" : "without"} a revision`)
      }
    }
  })

layer(Program.layer(main), { excludeTestServices: true })("two processes that change the same flows", (it) => {
  it.scoped("have one order, which the audit trail tells, and lose no update, on one SQLite file", () =>
    Effect.flatMap(temporaryFile, (filename) => shown({ _tag: "Sqlite", filename }))
  )

  withPostgres((url) =>
    it.scoped("have one order, which the audit trail tells, and lose no update, on one PostgreSQL schema", () =>
      Effect.flatMap(Database.temporarySchema(url), (schema) => shown({ _tag: "Postgres", url, schema }))
    )
  )
})
