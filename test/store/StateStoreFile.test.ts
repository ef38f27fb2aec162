import { assert, describe, it } from "@effect/vitest"
import { Array, Context, Effect, Fiber, Layer, Option, Stream, TestClock } from "effect"
import type { StoreError } from "heddle/model/StoreError"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreFile from "heddle/store/StateStoreFile"
import { Buffer } from "node:buffer"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as FileEntry from "../../src/store/internal/FileEntry.js"
import { stateContract } from "./stateContract.js"

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-files-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

/** A store in the scope of the test. */
const open = (directory: string) =>
  Effect.map(Layer.build(StateStoreFile.layer({ directory })), Context.get(StateStore))

const refusalOf = (directory: string) => Effect.flip(Effect.scoped(open(directory)))

/** Each file with what is in it. */
const contents = (directory: string) =>
  Fs.readdirSync(directory)
    .sort()
    .map((name) => [name, Fs.readFileSync(Path.join(directory, name), "base64")])

const fileOf = (directory: string, key: string) => Path.join(directory, FileEntry.nameOf(key))

const mark = "heddle-state.json"

stateContract(
  "StateStoreFile",
  () => Layer.unwrapScoped(Effect.map(temporaryFolder, (directory) => StateStoreFile.layer({ directory }))),
  { cases: 10 }
)

describe("StateStoreFile", () => {
  it.scoped("creates the folder, and keeps values, versions and the ends of their time when it is opened again", () =>
    Effect.gen(function* () {
      const directory = Path.join(yield* temporaryFolder, "a", "b")
      const [kept, expiring, gone] = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(directory)
          const kept = yield* store.set("kept", "\ufeffa")
          const expiring = yield* store.set("expiring", "b", { ttl: 100 })
          const gone = yield* store.set("gone", "c")
          yield* store.delete("gone")
          return [kept, expiring, gone] as const
        })
      )
      yield* TestClock.adjust(99)
      const store = yield* open(directory)
      assert.deepStrictEqual(yield* store.list({ prefix: "", limit: 10 }), [
        { key: "expiring", value: "b", version: expiring },
        { key: "kept", value: "\ufeffa", version: kept }
      ])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* store.get("expiring"), Option.none())
      assert.deepStrictEqual(yield* store.get("gone"), Option.none())
      assert.isAbove(yield* store.set("gone", "c"), gone)
      assert.isAbove(Option.getOrThrow(yield* store.compareAndSet("kept", kept, "d")), gone)
    })
  )

  it.scoped("gives no version again, also when nothing is left of what had it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const versions: Array<number> = []
      for (let i = 0; i < 3; i++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* open(directory)
            for (let j = 0; j < 3; j++) versions.push(yield* store.set("k", "a"))
            yield* store.delete("k")
          })
        )
      }
      assert.strictEqual(new Set(versions).size, 9)
    })
  )

  it.scoped("keeps each key in the folder, in a file whose name says nothing of it", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryFolder
      const directory = Path.join(parent, "state")
      const store = yield* open(directory)
      const keys = ["../escaped", "/etc/passwd", "..", "a/b", "CON", "k", "K", "k\u0000", "x".repeat(1000), "tmp", mark]
      for (const key of keys) yield* store.set(key, "a")
      assert.deepStrictEqual(Fs.readdirSync(parent), ["state"])
      const names = Fs.readdirSync(directory).filter((name) => name.endsWith(".entry"))
      assert.strictEqual(new Set(names.map((name) => name.toLowerCase())).size, keys.length)
      for (const name of names) assert.match(name, /^[0-9a-f]{64}\.entry$/)
    })
  )

  it.scoped("each set removes up to 16 files of values that have expired", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const store = yield* open(directory)
      const count = () => Fs.readdirSync(directory).filter((name) => name.endsWith(".entry")).length
      for (const i of Array.range(1, 20)) yield* store.set(`k${i}`, "a", { ttl: 100 + i })
      yield* TestClock.adjust(1000)
      yield* store.get("k1")
      assert.strictEqual(count(), 20)
      yield* store.set("kept", "a")
      assert.strictEqual(count(), 5)
      yield* store.set("kept", "b")
      assert.strictEqual(count(), 1)
    })
  )

  it.scoped("is for one layer at a time, and free again when its scope has ended", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(directory)
          const error = yield* refusalOf(directory)
          assert.deepStrictEqual([error.reason, error.operation], ["busy", "layer"])
          assert.include(error.message, `the process ${process.pid} uses it`)
          yield* store.set("k", "a")
        })
      )
      const store = yield* open(directory)
      assert.isTrue(Option.isSome(yield* store.get("k")))
    })
  )

  it.scoped("takes the folder of a process that is dead, and only that", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const lock = (host: string, pid: number, birth: string) => `lock-${host}-${pid}-${birth}-0`
      const [own] = yield* Effect.scoped(
        Effect.map(open(directory), () => Fs.readdirSync(directory).filter((name) => name.startsWith("lock-")))
      )
      const [, host = "", , birth = ""] = own!.split("-")
      const dead = ChildProcess.spawnSync(process.execPath, ["--version"]).pid
      const put = (name: string) => Fs.writeFileSync(Path.join(directory, name), "")
      const holding = () => Fs.readdirSync(directory).filter((name) => name.startsWith("lock-"))

      put(lock(host, dead, birth))
      yield* Effect.scoped(open(directory))
      assert.deepStrictEqual(holding(), [])
      if (process.platform === "linux") {
        // the number of a dead process, which another one has now
        put(lock(host, process.pid, "1"))
        yield* Effect.scoped(open(directory))
        assert.deepStrictEqual(holding(), [])
      }
      put(lock(host, process.ppid, "0"))
      assert.strictEqual((yield* refusalOf(directory)).reason, "busy")
      assert.lengthOf(holding(), 1)
      Fs.rmSync(Path.join(directory, lock(host, process.ppid, "0")))

      const elsewhere = lock("0".repeat(16), dead, birth)
      put(elsewhere)
      const error = yield* refusalOf(directory)
      assert.strictEqual(error.reason, "busy")
      assert.include(error.message, Path.join(directory, elsewhere))
    })
  )

  it.scoped("leaves a folder as it is that is not its own, or that it does not know", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const refused = (reason: string, part: string) =>
        Effect.gen(function* () {
          const before = contents(directory)
          const error = yield* refusalOf(directory)
          assert.deepStrictEqual([error.reason, error.location], [reason, directory], error.message)
          assert.include(error.message, part)
          assert.deepStrictEqual(contents(directory), before)
        })
      Fs.writeFileSync(Path.join(directory, "photo.jpg"), "")
      yield* refused("foreign", "other files")
      Fs.rmSync(Path.join(directory, "photo.jpg"))

      yield* Effect.scoped(Effect.flatMap(open(directory), (store) => store.set("k", "a")))
      const text = Fs.readFileSync(Path.join(directory, mark), "utf8")
      Fs.writeFileSync(Path.join(directory, mark), text.replace('"format":1', '"format":2'))
      yield* refused("newer", "format 2")
      for (const damaged of ["", text.slice(0, -2), "{}", text.replace("StateStoreFile", "other")]) {
        Fs.writeFileSync(Path.join(directory, mark), damaged)
        yield* refused("corrupt", mark)
      }
      Fs.rmSync(Path.join(directory, mark))
      yield* refused("corrupt", mark)

      Fs.writeFileSync(Path.join(directory, mark), text)
      // what others put there later is not its business
      Fs.writeFileSync(Path.join(directory, ".DS_Store"), "")
      const store = yield* open(directory)
      assert.lengthOf(yield* store.list({ prefix: "", limit: 10 }), 1)

      const file = Path.join(directory, ".DS_Store")
      assert.strictEqual((yield* refusalOf(file)).reason, "foreign")
      assert.strictEqual((yield* refusalOf(" ")).reason, "failed")
    })
  )

  it.scoped("removes what a crash has left of a write", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      Fs.writeFileSync(Path.join(directory, "tmp"), "half of an ent")
      yield* open(directory)
      assert.isFalse(Fs.existsSync(Path.join(directory, "tmp")))
    })
  )

  for (const [damage, change] of [
    ["is cut off", (data: Buffer) => data.subarray(0, data.length - 1)],
    ["is empty", () => Buffer.alloc(0)],
    ["has another value", (data: Buffer) => Buffer.concat([data.subarray(0, -1), Buffer.from("X")])],
    ["has another head", (data: Buffer) => Buffer.from(data.toString("utf8").replace('"version":', '"version":1'))],
    ["has more", (data: Buffer) => Buffer.concat([data, Buffer.from("a")])],
    ["is no entry", () => Buffer.from("hello")]
  ] as const) {
    for (const when of ["before it is opened", "meanwhile"] as const) {
      it.scoped(`a file that ${damage} ${when} is corrupt, and the others work`, () =>
        Effect.gen(function* () {
          const directory = yield* temporaryFolder
          const file = fileOf(directory, "bad/k")
          const put = Effect.gen(function* () {
            const store = yield* open(directory)
            yield* store.set("bad/k", "some value")
            yield* store.set("good", "a")
            return store
          })
          const spoil = Effect.sync(() => Fs.writeFileSync(file, change(Fs.readFileSync(file))))
          let store: StateStore["Type"]
          if (when === "meanwhile") {
            store = yield* put
            yield* spoil
          } else {
            yield* Effect.scoped(put)
            yield* spoil
            store = yield* open(directory)
          }
          const calls: { readonly [operation: string]: Effect.Effect<unknown, StoreError> } = {
            get: store.get("bad/k"),
            getMany: store.getMany(["good", "bad/k"]),
            list: store.list({ prefix: "bad/", limit: 10 })
          }
          for (const [operation, call] of Object.entries(calls)) {
            const error = yield* Effect.flip(call)
            assert.deepStrictEqual([error.reason, error.operation], ["corrupt", operation])
            assert.include(error.message, file)
          }
          assert.strictEqual(Option.getOrThrow(yield* store.get("good")).value, "a")
          const version = Option.getOrThrow(yield* store.get("good")).version
          assert.isTrue(Option.isSome(yield* store.compareAndSet("good", version, "b")))

          if (when === "meanwhile") assert.isTrue(yield* store.delete("bad/k"))
          else yield* store.set("bad/k", "mended")
          assert.strictEqual(Option.isSome(yield* store.get("bad/k")), when !== "meanwhile")
          assert.strictEqual((yield* store.list({ prefix: "", limit: 10 })).length, when === "meanwhile" ? 1 : 2)
        })
      )
    }
  }

  it.scoped("a damaged file of a key nobody can read is deleted by the key", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      yield* Effect.scoped(Effect.flatMap(open(directory), (store) => store.set("k", "a")))
      Fs.writeFileSync(fileOf(directory, "k"), "")
      const store = yield* open(directory)
      assert.strictEqual((yield* Effect.flip(store.compareAndSet("k", 0, "b"))).reason, "corrupt")
      assert.strictEqual((yield* Effect.flip(store.list({ prefix: "other", limit: 1 }))).reason, "corrupt")
      assert.isTrue(yield* store.delete("k"))
      assert.isFalse(yield* store.delete("k"))
      assert.deepStrictEqual(yield* store.list({ prefix: "", limit: 1 }), [])
    })
  )

  it.scoped("a write that fails changes nothing, and the next one works", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const store = yield* open(directory)
      const version = yield* store.set("k", "a")
      // nothing can be written over a folder
      Fs.mkdirSync(Path.join(directory, "tmp"))
      const calls: ReadonlyArray<Effect.Effect<unknown, StoreError>> = [
        store.set("k", "b"),
        store.compareAndSet("k", version, "b"),
        store.set("l", "b")
      ]
      for (const call of calls) {
        assert.strictEqual((yield* Effect.flip(call)).location, directory)
      }
      assert.deepStrictEqual(yield* store.get("k"), Option.some({ value: "a", version }))
      assert.deepStrictEqual(yield* store.list({ prefix: "", limit: 9 }), [{ key: "k", value: "a", version }])
      assert.deepStrictEqual(yield* store.get("l"), Option.none())
      Fs.rmdirSync(Path.join(directory, "tmp"))
      const next = Option.getOrThrow(yield* store.compareAndSet("k", version, "c"))
      assert.isAbove(next, version + 2)
      assert.deepStrictEqual(yield* store.get("k"), Option.some({ value: "c", version: next }))
    })
  )

  it.scoped("fails once its scope has ended, and so do those who listen", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const [store, listening] = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(directory)
          const changes = Option.getOrThrow(store.changes)("k")
          const listening = yield* Effect.forkDaemon(Stream.runCollect(changes))
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          yield* store.set("k", "a")
          return [store, listening] as const
        })
      )
      assert.strictEqual((yield* Effect.flip(Fiber.join(listening))).reason, "closed")
      const calls: ReadonlyArray<Effect.Effect<unknown, StoreError>> = [
        store.get("k"),
        store.set("k", "a"),
        store.list({ prefix: "", limit: 1 })
      ]
      for (const call of calls) {
        assert.strictEqual((yield* Effect.flip(call)).reason, "closed")
      }
    })
  )
})
