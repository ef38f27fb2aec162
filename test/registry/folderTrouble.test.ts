/** What a folder of contracts may meet: files that are none, a file system that cannot watch, holders that change things. */
import { assert, describe, it } from "@effect/vitest"
import * as FileSystem from "@effect/platform/FileSystem"
import { NodeContext } from "@effect/platform-node"
import { Effect, Layer, Option, Ref, Schema, Stream, TestClock } from "effect"
import { FlowRegistry } from "heddle"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as FlowFolder from "heddle/registry/FlowFolder"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as NodePath from "node:path"
import * as MemoryFolder from "./MemoryFolder.js"

class Slug extends ComputeNode.Service<Slug>()("test/Slug", { input: Schema.String, output: Schema.String }) {}
const nodes = { Slug }

const workflow = (version: string) => `
kind: workflow
name: a
version: ${version}
steps:
  - { name: step, kind: compute, node: Slug, input: input }
`

const RegistryLive = FlowRegistry.layer().pipe(Layer.provide(FlowStoreMemory.layer()))

const temporary = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(NodePath.join(Os.tmpdir(), "heddle-flows-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true }))
)

describe("a folder of contracts", () => {
  it.scopedLive("does not look at a folder that has the name of a contract", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      Fs.writeFileSync(NodePath.join(directory, "a.yaml"), workflow("1.0.0"))
      Fs.mkdirSync(NodePath.join(directory, "b.yaml"))
      const { loaded } = yield* Effect.flatMap(FlowFolder.make({ directory, nodes }), ({ state }) => state)
      assert.deepStrictEqual(
        loaded.contracts.map(({ file }) => file),
        ["a.yaml"]
      )
    }).pipe(Effect.provide(RegistryLive), Effect.provide(NodeContext.layer))
  )

  it.scopedLive("refuses what is no file, and does not wait for it", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      // nobody ever writes to it
      ChildProcess.execFileSync("mkfifo", [NodePath.join(directory, "a.yaml")])
      Fs.symlinkSync("/dev/zero", NodePath.join(directory, "b.yaml"))
      Fs.symlinkSync("c.yaml", NodePath.join(directory, "c.yaml"))
      const { faults } = yield* Effect.flip(FlowFolder.make({ directory, nodes }))
      assert.deepStrictEqual(
        faults.map((fault) => (fault._tag === "Contract" ? [fault.file, fault.error._tag] : [fault._tag])),
        ["a.yaml", "b.yaml", "c.yaml"].map((file) => [file, "ContractUnreadable"])
      )
      assert.match(faults.map((fault) => (fault._tag === "Contract" ? fault.error.message : "")).join(), /FIFO/)
    }).pipe(Effect.provide(RegistryLive), Effect.provide(NodeContext.layer))
  )

  const watchers: ReadonlyArray<readonly [string, Stream.Stream<FileSystem.WatchEvent>]> = [
    // as where the system has no watcher left
    ["throws", Stream.fromEffect(Effect.sync((): never => assert.fail("ENOSPC")))],
    ["ends", Stream.empty]
  ]
  for (const [what, watcher] of watchers) {
    it.scoped(`is looked at all the same, and is watched again, when its watcher ${what}`, () =>
      Effect.gen(function* () {
        const folder = yield* MemoryFolder.make({ "a.yaml": workflow("1.0.0") })
        const begun = yield* Ref.make(0)
        const watch = () => Stream.flatMap(Stream.fromEffect(Ref.update(begun, (n) => n + 1)), () => watcher)
        const FileSystemLive = Layer.effect(
          FileSystem.FileSystem,
          Effect.map(FileSystem.FileSystem, (fs) => ({ ...fs, watch }))
        ).pipe(Layer.provideMerge(folder.layer))
        const watched = yield* FlowFolder.make({ directory: "flows", nodes }).pipe(Effect.provide(FileSystemLive))
        yield* TestClock.adjust("1 second")
        yield* folder.put({ "a.yaml": workflow("2.0.0") })
        yield* TestClock.adjust("1 minute")
        const { loaded } = yield* watched.state
        assert.deepStrictEqual(
          loaded.flows.map(({ flow }) => flow.version),
          ["2.0.0"]
        )
        assert.isAbove(yield* Ref.get(begun), 5)
      }).pipe(Effect.provide(RegistryLive))
    )
  }

  it.scoped("goes on after a look that ended in a defect", () =>
    Effect.gen(function* () {
      const folder = yield* MemoryFolder.make({ "a.yaml": workflow("1.0.0") })
      const registry = yield* FlowRegistry.FlowRegistry
      const calls = yield* Ref.make(0)
      const watched = yield* FlowFolder.make({ directory: "flows", nodes }).pipe(
        Effect.provideService(FlowRegistry.FlowRegistry, {
          ...registry,
          registerAll: (flows, by) =>
            Effect.flatMap(
              Ref.updateAndGet(calls, (n) => n + 1),
              (n) => (n === 2 ? Effect.die("a defect") : registry.registerAll(flows, by))
            )
        }),
        Effect.provide(folder.layer)
      )
      yield* folder.put({ "a.yaml": workflow("2.0.0") })
      yield* TestClock.adjust("1 minute")
      const { loaded } = yield* watched.state
      assert.strictEqual(yield* Ref.get(calls), 3)
      assert.strictEqual(loaded.generation, 2)
    }).pipe(Effect.provide(RegistryLive))
  )

  it.scoped("gives everybody a problem of their own", () =>
    Effect.gen(function* () {
      const folder = yield* MemoryFolder.make({ "a.yaml": workflow("1.0.0") })
      const watched = yield* FlowFolder.make({ directory: "flows", nodes }).pipe(Effect.provide(folder.layer))
      yield* folder.put({ "a.yaml": "kind: [" })
      const message = (yield* Effect.flip(watched.reload)).message
      const { problem } = yield* watched.state
      const failed = yield* Effect.flip(watched.reload)
      for (const error of [Option.getOrThrow(problem), failed]) {
        assert.isFrozen(error.faults)
        for (const fault of error.faults) assert.isFrozen(fault)
        Object.assign(error, { faults: [], directory: "changed" })
      }
      Object.assign(problem, { value: "changed" })
      const seen = Option.getOrThrow((yield* watched.state).problem)
      assert.strictEqual(seen.message, message)
    }).pipe(Effect.provide(RegistryLive))
  )
})
