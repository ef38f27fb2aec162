import { assert, describe, it } from "@effect/vitest"
import { NodeContext } from "@effect/platform-node"
import { Chunk, Deferred, Effect, Either, Fiber, Layer, Option, Schema, Stream, TestClock } from "effect"
import { Engine, FlowRegistry, Heddle, RunId } from "heddle"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as FlowFolder from "heddle/registry/FlowFolder"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as NodePath from "node:path"
import * as MemoryFolder from "./MemoryFolder.js"

class Slug extends ComputeNode.Service<Slug>()("test/Slug", { input: Schema.String, output: Schema.String }) {}
class Gate extends ComputeNode.Service<Gate>()("test/Gate", { input: Schema.String, output: Schema.String }) {}
const nodes = { Slug, Gate }

const workflow = (name: string, version: string | undefined, node = "Slug", steps = 1) => `
kind: workflow
name: ${name}
${version === undefined ? "" : `version: ${version}`}
steps:
${Array.from({ length: steps }, (_, i) => `  - { name: step${i}, kind: compute, node: ${node}, input: input }`).join("\n")}
`

const broken = "kind: workflow\nname: [what"

const folderOf = (files: { readonly [name: string]: string }) =>
  Effect.gen(function* () {
    const folder = yield* MemoryFolder.make(files)
    const watched = yield* FlowFolder.make({ directory: "flows", nodes }).pipe(Effect.provide(folder.layer))
    return { folder, watched }
  })

const RegistryLive = FlowRegistry.layer().pipe(Layer.provide(FlowStoreMemory.layer()))

const named = (loaded: FlowFolder.Loaded<(typeof nodes)[keyof typeof nodes]>) =>
  loaded.flows.map(({ file, flow }) => `${file} ${flow.name} ${flow.version}`)

const tagsOf = (problem: FlowFolder.FolderInvalid) =>
  problem.faults.map((fault) => (fault._tag === "Contract" ? `${fault.file}: ${fault.error._tag}` : fault._tag))

const audited = Effect.flatMap(FlowRegistry.FlowRegistry, ({ audit }) =>
  Effect.map(Stream.runCollect(audit()), Chunk.toReadonlyArray)
)

describe("a folder of contracts", () => {
  it.scoped("registers its workflows, and has its other contracts", () =>
    Effect.gen(function* () {
      const { watched } = yield* folderOf({
        "publish.yaml": workflow("publish", "1.0.0"),
        "door.yml":
          "kind: stateMachine\nname: door\nevents: {}\ninitial: shut\nstates: { shut: {} }\ntransitions: []\n",
        ".hidden.yaml": broken,
        "notes.txt": broken,
        "publish.yaml~": broken
      })
      const { loaded, problem } = yield* watched.state
      assert.deepStrictEqual(named(loaded), ["publish.yaml publish 1.0.0"])
      assert.deepStrictEqual(
        loaded.contracts.map(({ contract, file }) => [file, contract.kind]),
        [
          ["door.yml", "stateMachine"],
          ["publish.yaml", "workflow"]
        ]
      )
      assert.isTrue(Option.isNone(problem))
      const registry = yield* FlowRegistry.FlowRegistry
      const flow = yield* registry.get("publish")
      assert.strictEqual(flow.updatedBy, "folder flows")
      assert.strictEqual(flow, flow)
    }).pipe(Effect.provide(RegistryLive))
  )

  it.scoped("takes a change as a whole, once nothing more changes", () =>
    Effect.gen(function* () {
      const { folder, watched } = yield* folderOf({ "a.yaml": workflow("a", "1.0.0") })
      const before = (yield* watched.state).loaded
      yield* folder.put({ "a.yaml": workflow("a", "1.1.0", "Slug", 2), "b.yaml": workflow("b", "1.0.0") })
      yield* folder.tell
      yield* TestClock.adjust("150 millis")
      yield* folder.tell
      yield* TestClock.adjust("150 millis")
      assert.strictEqual((yield* watched.state).loaded, before)
      yield* TestClock.adjust("50 millis")
      const after = (yield* watched.state).loaded
      assert.deepStrictEqual(named(after), ["a.yaml a 1.1.0", "b.yaml b 1.0.0"])
      assert.strictEqual(after.generation, before.generation + 1)
      // what was given before is what it was
      assert.deepStrictEqual(named(before), ["a.yaml a 1.0.0"])
      const registry = yield* FlowRegistry.FlowRegistry
      assert.deepStrictEqual(yield* registry.versions("a"), ["1.1.0", "1.0.0"])
    }).pipe(Effect.provide(RegistryLive))
  )

  it.scoped("finds a change of which the file system does not tell", () =>
    Effect.gen(function* () {
      const { folder, watched } = yield* folderOf({ "a.yaml": workflow("a", "1.0.0") })
      yield* folder.put({ "a.yaml": undefined, "b.yaml": workflow("b", "1.0.0") })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(named((yield* watched.state).loaded), ["b.yaml b 1.0.0"])
      // there may be runs of it
      const registry = yield* FlowRegistry.FlowRegistry
      assert.strictEqual((yield* registry.get("a")).status, "active")
    }).pipe(Effect.provide(RegistryLive))
  )

  const faults: ReadonlyArray<readonly [what: string, files: Record<string, string | undefined>, tags: Array<string>]> =
    [
      ["a file that does not parse", { "b.yaml": broken }, ["b.yaml: ContractInvalid"]],
      ["a node that there is not", { "b.yaml": workflow("b", "1.0.0", "Slog") }, ["b.yaml: ContractInvalid"]],
      ["no version", { "b.yaml": workflow("b", undefined) }, ["NoVersion"]],
      ["what is no version", { "b.yaml": workflow("b", "7") }, ["b.yaml: FlowInvalid"]],
      ["the same twice", { "c.yaml": workflow("a", "1.0.0") }, ["Duplicate"]],
      ["another definition of a version", { "a.yaml": workflow("a", "1.0.0", "Slug", 3) }, ["a.yaml: FlowDiffers"]],
      [
        "everything that is wrong",
        { "b.yaml": broken, "c.yaml": workflow("c", undefined) },
        ["b.yaml: ContractInvalid", "NoVersion"]
      ]
    ]
  for (const [what, files, tags] of faults) {
    it.scoped(`refuses ${what}, and all that is with it, until it is mended`, () =>
      Effect.gen(function* () {
        const { folder, watched } = yield* folderOf({ "a.yaml": workflow("a", "1.0.0") })
        const before = yield* watched.state
        const log = yield* audited
        yield* folder.put({ ...files, "good.yaml": workflow("good", "1.0.0") })
        const refused = yield* Effect.flip(watched.reload)
        assert.deepStrictEqual(tagsOf(refused), tags)
        assert.isTrue(Object.keys(files).some((file) => refused.message.includes(file)))
        const now = yield* watched.state
        assert.strictEqual(now.loaded, before.loaded)
        assert.deepStrictEqual(Option.map(now.problem, tagsOf), Option.some(tags))
        assert.deepStrictEqual(yield* audited, log)
        // the next look finds the same, and says so
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(Option.map((yield* watched.state).problem, tagsOf), Option.some(tags))

        yield* folder.put(Object.fromEntries(Object.keys(files).map((file) => [file, undefined])))
        yield* folder.put({ "a.yaml": workflow("a", "1.0.0") })
        yield* folder.tell
        yield* TestClock.adjust("200 millis")
        const mended = yield* watched.state
        assert.isTrue(Option.isNone(mended.problem))
        assert.deepStrictEqual(named(mended.loaded), ["a.yaml a 1.0.0", "good.yaml good 1.0.0"])
      }).pipe(Effect.provide(RegistryLive))
    )
  }

  it.scoped("cannot begin with what is wrong, and registers nothing then", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(folderOf({ "a.yaml": workflow("a", "1.0.0"), "b.yaml": broken }))
      assert.deepStrictEqual(tagsOf(refused), ["b.yaml: ContractInvalid"])
      assert.deepStrictEqual(yield* audited, [])
    }).pipe(Effect.provide(RegistryLive))
  )

  it.scoped("goes on when the folder is gone for a while", () =>
    Effect.gen(function* () {
      const { folder, watched } = yield* folderOf({ "a.yaml": workflow("a", "1.0.0") })
      const { loaded } = yield* watched.state
      yield* folder.setGone(true)
      assert.deepStrictEqual(tagsOf(yield* Effect.flip(watched.reload)), ["Unreadable"])
      assert.strictEqual((yield* watched.state).loaded, loaded)
      yield* folder.setGone(false)
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(Option.isNone((yield* watched.state).problem))
    }).pipe(Effect.provide(RegistryLive))
  )

  it.scoped("tells its state at once, then each other one", () =>
    Effect.gen(function* () {
      const { folder, watched } = yield* folderOf({ "a.yaml": workflow("a", "1.0.0") })
      const seen = yield* Effect.fork(Stream.runCollect(Stream.take(watched.changes, 3)))
      yield* TestClock.adjust("20 seconds")
      yield* folder.put({ "a.yaml": broken })
      yield* TestClock.adjust("20 seconds")
      yield* folder.put({ "a.yaml": workflow("a", "2.0.0") })
      yield* TestClock.adjust("20 seconds")
      const states = Chunk.toReadonlyArray(yield* Fiber.join(seen))
      assert.deepStrictEqual(
        states.map(({ loaded, problem }) => [named(loaded), Option.isSome(problem)]),
        [
          [["a.yaml a 1.0.0"], false],
          [["a.yaml a 1.0.0"], true],
          [["a.yaml a 2.0.0"], false]
        ]
      )
    }).pipe(Effect.provide(RegistryLive))
  )

  it.scoped("leaves a run with the Dag that it was begun with", () =>
    Effect.gen(function* () {
      const open = yield* Deferred.make<void>()
      const { folder, watched } = yield* folderOf({ "a.yaml": workflow("a", "1.0.0", "Gate") })
      const { dag } = (yield* watched.state).loaded.flows[0]!
      const NodesLive = Layer.merge(
        Slug.layer({ compute: (text) => Effect.succeed(`slug of ${text}`) }),
        Gate.layer({ compute: (text) => Effect.as(Deferred.await(open), `gate of ${text}`) })
      )
      const run = yield* Effect.fork(
        Engine.execute(dag, { input: "x" }, { runId: RunId.make("old") }).pipe(Effect.provide(NodesLive))
      )
      yield* folder.put({ "a.yaml": workflow("a", "2.0.0", "Slug") })
      const next = (yield* watched.reload).flows[0]!.dag
      const after = yield* Engine.execute(next, { input: "x" }).pipe(Effect.provide(NodesLive))
      yield* Deferred.succeed(open, undefined)
      assert.deepStrictEqual(after, { result: { step0: "slug of x" } })
      assert.deepStrictEqual(yield* Fiber.join(run), { result: { step0: "gate of x" } })
    }).pipe(Effect.provide(Heddle.layerMemory), Effect.provide(RegistryLive))
  )

  it.scopedLive("watches the files of a real folder", () =>
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(NodePath.join(Os.tmpdir(), "heddle-flows-"))),
        (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true }))
      )
      const write = (file: string, text: string) =>
        Effect.sync(() => {
          Fs.writeFileSync(NodePath.join(directory, `.${file}`), text)
          Fs.renameSync(NodePath.join(directory, `.${file}`), NodePath.join(directory, file))
        })
      yield* write("a.yaml", workflow("a", "1.0.0"))
      // so rarely that only the watcher can be it
      const watched = yield* FlowFolder.make({ directory, nodes, settle: "50 millis", poll: "1 hour" })
      const next = yield* watched.changes.pipe(Stream.drop(1), Stream.runHead, Effect.fork)
      // the watcher begins some time after the first look: written until it is seen
      const writing = yield* write("a.yaml", workflow("a", "2.0.0")).pipe(
        Effect.zipRight(Effect.sleep("200 millis")),
        Effect.forever,
        Effect.fork
      )
      const state = yield* Fiber.join(next)
      yield* Fiber.interrupt(writing)
      assert.deepStrictEqual(
        Option.map(state, ({ loaded }) => named(loaded)),
        Option.some(["a.yaml a 2.0.0"])
      )
    }).pipe(Effect.provide(RegistryLive), Effect.provide(NodeContext.layer))
  )

  it.scoped("ends with its scope", () =>
    Effect.gen(function* () {
      const folder = yield* MemoryFolder.make({ "a.yaml": workflow("a", "1.0.0") })
      const watched = yield* FlowFolder.make({ directory: "flows", nodes }).pipe(
        Effect.scoped,
        Effect.provide(folder.layer)
      )
      yield* folder.put({ "a.yaml": workflow("a", "2.0.0") })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(named((yield* watched.state).loaded), ["a.yaml a 1.0.0"])
      assert.isTrue(Either.isRight(yield* Effect.either(watched.reload)))
    }).pipe(Effect.provide(RegistryLive))
  )
})
