import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, Option } from "effect"
import { FlowStore } from "heddle/store/FlowStore"
import * as FlowStoreFile from "heddle/store/FlowStoreFile"
import { Buffer } from "node:buffer"
import * as ChildProcess from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { change, changeOf, rowOf } from "../../src/testing/internal/contract/FlowRows.js"
import * as FlowLine from "../../src/store/internal/FlowLine.js"
import * as FailingFiles from "./FailingFiles.js"
import { flowContract } from "./flowContract.js"
import { numRuns } from "../numRuns.js"
import * as FlowStores from "./FlowStores.js"
import { temporaryDirectory } from "./SqliteFile.js"

/** A store in the scope of the test. */
const open = (directory: string) => Effect.map(Layer.build(FlowStoreFile.layer({ directory })), Context.get(FlowStore))

const fileOf = (directory: string) => Path.join(directory, "flows.log")

const refusalOf = (directory: string) => Effect.flip(Effect.scoped(open(directory)))

/** Each file with what is in it. */
const contents = (directory: string) =>
  Fs.readdirSync(directory)
    .sort()
    .map((name) => [name, Fs.readFileSync(Path.join(directory, name), "base64")])

const writes = [
  [change("a", "1", 1, { text: "é\n😀", fingerprint: "x" })],
  [change("../x", "1", 1, { text: "x" }), change("a", "1", 2, { text: null, reason: "no more" })],
  [change("b", "1", 1, { text: '"\\u0000"', actor: "\u0000" })]
] as const

/** A file with these writes, and where each of them ends. */
const written = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  const ends = yield* Effect.scoped(
    Effect.gen(function* () {
      const store = yield* open(directory)
      const ends = [Fs.statSync(fileOf(directory)).size]
      for (const changes of writes) {
        assert.strictEqual((yield* store.write(changes))._tag, "Written")
        ends.push(Fs.statSync(fileOf(directory)).size)
      }
      return ends
    })
  )
  return { data: Fs.readFileSync(fileOf(directory)), ends }
})

/** A folder with this file. */
const folderOf = (data: Buffer) =>
  Effect.tap(temporaryDirectory, (directory) => Effect.sync(() => Fs.writeFileSync(fileOf(directory), data)))

/** Opens the folder and finds exactly the first writes in it, and that it can be gone on with. */
const hasFirst = (count: number, directory: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = yield* open(directory)
      const entries = yield* store.log({ after: 0, limit: 99 })
      const expected = writes.slice(0, count).flat()
      assert.deepStrictEqual(entries.map(changeOf), expected)
      assert.deepStrictEqual(
        entries.map(({ position }) => position),
        expected.map((_, i) => i + 1)
      )
      assert.strictEqual(yield* store.position, expected.length)
      for (const one of count < writes.length ? writes[count]! : []) {
        const before = expected.filter(({ name, version }) => name === one.name && version === one.version).at(-1)
        const row = Option.map(Option.fromNullable(before), rowOf)
        assert.deepStrictEqual(yield* store.get(one.name, one.version), row)
      }
      const next = writes[count] ?? [change("c", "1", 1)]
      assert.strictEqual((yield* store.write(next))._tag, "Written")
    })
  )

/** It is refused, says this, and the folder stays as it is. */
const refused = (directory: string, reason: string, ...parts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const before = contents(directory)
    const error = yield* refusalOf(directory)
    assert.deepStrictEqual([error.reason, error.location, error.operation], [reason, directory, "layer"], error.message)
    for (const part of parts) assert.include(error.message, part)
    assert.deepStrictEqual(contents(directory), before)
  })

/** A line with the hash that it should have. */
const lineOf = (text: string) => `${Crypto.createHash("sha256").update(text).digest("hex")} ${text}\n`

flowContract(
  "FlowStoreFile",
  () => Layer.unwrapScoped(Effect.map(temporaryDirectory, (directory) => FlowStoreFile.layer({ directory }))),
  10
)

/** In the full run every byte; else those around the ends of lines, and each seventh. */
const isTried = (at: number, ends: ReadonlyArray<number>): boolean =>
  numRuns >= 1000 || at % 7 === 0 || ends.some((end) => Math.abs(end - at) <= 2)

describe("FlowStoreFile", () => {
  it.scoped("creates the folder, and keeps all that was written when it is opened again", () =>
    Effect.gen(function* () {
      const directory = Path.join(yield* temporaryDirectory, "a", "b")
      const entries = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(directory)
          for (const changes of writes) yield* store.write(changes)
          return yield* store.log({ after: 0, limit: 99 })
        })
      )
      assert.deepStrictEqual(Fs.readdirSync(directory), ["flows.log"])
      const store = yield* open(directory)
      assert.deepStrictEqual(yield* store.log({ after: 0, limit: 99 }), entries)
      assert.deepStrictEqual(entries.map(changeOf), writes.flat())
      const rows = [rowOf(writes[1][0]), rowOf(writes[2][0])]
      assert.deepStrictEqual(yield* store.list({ limit: 99 }), rows)
      const conflict = yield* store.write([change("a", "1", 1)])
      assert.deepStrictEqual(conflict, { _tag: "Conflict", name: "a", version: "1", actual: 2 })
      assert.deepStrictEqual(yield* store.write([change("a", "1", 3)]), { _tag: "Written", position: 5 })
    })
  )

  it.scopedLive("operations at the same time have an order", () =>
    Effect.gen(function* () {
      const store = yield* Effect.flatMap(temporaryDirectory, open)
      yield* FlowStores.haveAnOrder(Array.from({ length: 6 }, () => store))
    })
  )

  it.scopedLive("concurrent writes are one after the other, and none is lost", () =>
    Effect.gen(function* () {
      const store = yield* Effect.flatMap(temporaryDirectory, open)
      yield* FlowStores.countTogether(Array.from({ length: 4 }, () => store))
    })
  )

  it.scopedLive("cut off at any byte it has exactly the writes that were whole, and goes on", () =>
    Effect.gen(function* () {
      const { data, ends } = yield* written
      for (let length = ends[0]!; length <= data.length; length++) {
        if (!isTried(length, ends)) continue
        const whole = ends.filter((end) => end <= length).length - 1
        yield* Effect.scoped(
          Effect.gen(function* () {
            const directory = yield* folderOf(data.subarray(0, length))
            yield* hasFirst(whole, directory)
            if (length % 16 === 0 && whole < writes.length) yield* hasFirst(whole + 1, directory)
          })
        )
      }
      for (let length = 0; length < ends[0]!; length++) {
        if (!isTried(length, ends)) continue
        yield* Effect.scoped(
          Effect.flatMap(folderOf(data.subarray(0, length)), (d) => refused(d, "corrupt", fileOf(d)))
        )
      }
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
  )

  it.scoped("says what it has cut off, and says nothing when there was nothing", () =>
    Effect.gen(function* () {
      const { data, ends } = yield* written
      const warnings: Array<string> = []
      const logger = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ logLevel, message }) => void warnings.push(`${logLevel.label} ${String(message)}`))
      )
      const directory = yield* folderOf(data)
      yield* Effect.provide(Effect.scoped(open(directory)), logger)
      assert.deepStrictEqual(warnings, [])
      Fs.truncateSync(fileOf(directory), data.length - 1)
      yield* Effect.provide(Effect.scoped(open(directory)), logger)
      assert.lengthOf(warnings, 1)
      assert.include(warnings[0], `WARN ${fileOf(directory)}: line 4 `)
      assert.deepStrictEqual(Fs.readFileSync(fileOf(directory)), data.subarray(0, ends[2]))
    })
  )

  it.scopedLive("a byte that was changed anywhere is found, and the line is named", () =>
    Effect.gen(function* () {
      const { data, ends } = yield* written
      const directory = yield* folderOf(data)
      // the last byte is the end of the last line: without it that was never written
      for (let at = 0; at < data.length - 1; at++) {
        if (!isTried(at, ends)) continue
        for (const other of [data[at]! ^ 1, 0x0a]) {
          if (other === data[at]) continue
          const changed = Buffer.from(data)
          changed[at] = other
          Fs.writeFileSync(fileOf(directory), changed)
          const error = yield* refusalOf(directory)
          if (at < ends[0]!) assert.include(["foreign", "newer", "corrupt"], error.reason)
          else {
            const line = ends.filter((end) => end <= at).length + 1
            assert.strictEqual(error.reason, "corrupt")
            assert.include(error.message, `${fileOf(directory)}: line ${line} is damaged`)
            assert.include(error.message, "backup")
          }
          assert.isTrue(Fs.readFileSync(fileOf(directory)).equals(changed))
        }
      }
    })
  )

  it.scopedLive("what was edited by hand is found, also with the hash that it should have", () =>
    Effect.gen(function* () {
      const { data } = yield* written
      const [head = "", one = "", two = "", three = ""] = data.toString("utf8").split(/(?<=\n)/)
      const of = (position: number, ...changes: ReadonlyArray<object>) => lineOf(JSON.stringify({ position, changes }))
      const good = change("c", "1", 1)
      for (const [lines, line, part] of [
        [[head, two, three], 2, "begins with the change 2"],
        [[head, one, three], 3, "begins with the change 4"],
        [[head, one, two, two, three], 4, "begins with the change 2"],
        [[head, two, one, three], 2, ""],
        [[head, one, "\n", two], 3, "hash"],
        [[head, one, two.trimEnd(), "\r\n", three], 3, "hash"],
        [[head, one, "# a note\n", two], 3, "hash"],
        [[head, one, two.toUpperCase(), three], 3, "hash"],
        [[head, head, one], 2, "hash"],
        [[head, lineOf("{}")], 2, "no write"],
        [[head, lineOf("[")], 2, "no write"],
        [[head, of(1)], 2, "no write"],
        [[head, of(1, { ...good, status: "on" })], 2, "no write"],
        [[head, of(1, { ...good, text: 7 })], 2, "no write"],
        [[head, of(1, { ...good, name: "" })], 2, "empty"],
        [[head, of(1, { ...good, revision: 0 })], 2, "revision"],
        [[head, of(1, { ...good, revision: 2 })], 2, 'the flow "c" "1" has the revision 0'],
        [[head, of(1, good, good)], 2, "twice"],
        [[head, of(0, good)], 2, "begins with the change 0"],
        [[head, one, of(2, change("a", "1", 1))], 3, 'the flow "a" "1" has the revision 1']
      ] as const) {
        const directory = yield* folderOf(Buffer.from(lines.join("")))
        yield* refused(directory, "corrupt", `${fileOf(directory)}: line ${line} is damaged`, part, "remove that line")
      }
      // what the message says helps
      const directory = yield* folderOf(Buffer.from([head, one, "nonsense\n", three].join("")))
      yield* refused(directory, "corrupt", "line 3")
      Fs.writeFileSync(fileOf(directory), [head, one].join(""))
      yield* hasFirst(1, directory)
    })
  )

  it.scoped("leaves a folder as it is that is not its own, or that a later release has written", () =>
    Effect.gen(function* () {
      const { data } = yield* written
      const later = data.toString("utf8").replace('"format":1', '"format":2')
      for (const [text, reason, part] of [
        [later, "newer", "format 2"],
        [later.replace("}", ',"more":[]}').slice(0, 60), "newer", "format 2"],
        ["127.0.0.1 GET /\n", "foreign", "another folder"],
        ["{}\n", "foreign", "another folder"],
        [later.replace("FlowStoreFile", "StateStoreFile"), "foreign", "another folder"],
        ["no line at all", "foreign", "another folder"],
        ["\n", "foreign", "another folder"],
        ["", "corrupt", "empty"]
      ] as const) {
        const directory = yield* folderOf(Buffer.from(text))
        yield* refused(directory, reason, fileOf(directory).slice(0, reason === "newer" ? undefined : -9), part)
      }
      const directory = yield* temporaryDirectory
      Fs.writeFileSync(Path.join(directory, "photo.jpg"), "")
      yield* refused(directory, "foreign", "other files")
      const file = Path.join(directory, "photo.jpg")
      assert.strictEqual((yield* refusalOf(file)).reason, "foreign")
      assert.strictEqual((yield* refusalOf(" ")).reason, "failed")
      // what others put there later is not its business, and what a crash has left of its first line is gone
      Fs.renameSync(file, fileOf(directory))
      Fs.writeFileSync(fileOf(directory), data)
      Fs.writeFileSync(Path.join(directory, ".DS_Store"), "")
      Fs.writeFileSync(Path.join(directory, "tmp"), '{"hed')
      yield* hasFirst(3, directory)
      assert.deepStrictEqual(Fs.readdirSync(directory).sort(), [".DS_Store", "flows.log"])
    })
  )

  it.scoped("is for one layer at a time, and free again when its scope has ended", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(directory)
          const error = yield* refusalOf(directory)
          assert.deepStrictEqual([error.reason, error.operation], ["busy", "layer"])
          yield* store.write(writes[0])
        })
      )
      yield* hasFirst(1, directory)
    })
  )

  it.scoped("is not for a second process while the first lives, and for the next one when it is dead", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [own = ""] = yield* Effect.scoped(
        Effect.map(open(directory), () => Fs.readdirSync(directory).filter((name) => name.startsWith("lock-")))
      )
      const lockOf = (pid: number) => Path.join(directory, own.replace(/-\d+-\d+-\d+$/, `-${pid}-0-0`))
      Fs.writeFileSync(lockOf(process.ppid), "")
      yield* refused(directory, "busy", String(process.ppid))
      Fs.renameSync(lockOf(process.ppid), lockOf(ChildProcess.spawnSync(process.execPath, ["--version"]).pid))
      yield* hasFirst(0, directory)
      assert.deepStrictEqual(Fs.readdirSync(directory), ["flows.log"])
    })
  )

  for (const { fails, name } of FailingFiles.failures) {
    it.scopedLive(`a write that fails by ${name} changes nothing, and the next one works`, () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const store = yield* open(directory)
        yield* store.write(writes[0])
        const before = Fs.readFileSync(fileOf(directory))
        for (let i = 0; i < 3; i++) {
          const error = yield* Effect.flip(FailingFiles.during(fails, store.write(writes[1])))
          assert.deepStrictEqual(
            [error.reason, error.operation, error.location],
            [name.includes("ENOSPC") ? "full" : "failed", "write", directory]
          )
          assert.deepStrictEqual(Fs.readFileSync(fileOf(directory)), before)
          assert.deepStrictEqual((yield* store.log({ after: 0, limit: 9 })).map(changeOf), [...writes[0]])
          assert.strictEqual(yield* store.position, 1)
          assert.deepStrictEqual(yield* store.get("a", "1"), Option.some(rowOf(writes[0][0])))
        }
        assert.deepStrictEqual(yield* store.write(writes[1]), { _tag: "Written", position: 3 })
        assert.deepStrictEqual((yield* store.log({ after: 0, limit: 9 })).map(changeOf), writes.slice(0, 2).flat())
      })
    )
  }

  for (const { fails, name } of FailingFiles.failures) {
    it.scopedLive(`a write that fails by ${name} and can't be cut off stops later ones until it is opened again`, () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* open(directory)
            yield* store.write(writes[0])
            yield* Effect.flip(FailingFiles.during({ ...fails, truncate: true }, store.write(writes[1])))
            const left = Fs.readFileSync(fileOf(directory))
            const error = yield* Effect.flip(store.write(writes[1]))
            assert.deepStrictEqual([error.reason, error.operation], ["failed", "write"])
            assert.include(error.message, "open the folder again")
            assert.deepStrictEqual(Fs.readFileSync(fileOf(directory)), left)
            assert.deepStrictEqual(yield* store.get("a", "1"), Option.some(rowOf(writes[0][0])))
          })
        )
        // its end came only after the line was on the disk
        yield* hasFirst(name.startsWith("the last sync") ? 2 : 1, directory)
      }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
    )
  }

  it.scopedLive("a short write goes on, and the line is synced before its end, and the end before the answer", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const store = yield* open(directory)
      const calls = yield* FailingFiles.recorded(store.write(writes[0]), 100)
      const line = FlowLine.encode(1, writes[0])
      const parts = Math.ceil(line.length / 100)
      assert.isAbove(parts, 1)
      assert.deepStrictEqual(calls, [...Array.from({ length: parts }, () => "write"), "sync", "write", "sync"])
      const data = Buffer.concat([FlowLine.first, line, Buffer.from("\n")])
      assert.deepStrictEqual(Fs.readFileSync(fileOf(directory)), data)
    })
  )

  it.scopedLive("a file that was changed or removed while it was in use is not written to", () =>
    Effect.gen(function* () {
      for (const spoil of [
        (file: string) => Fs.appendFileSync(file, "more"),
        (file: string) => Fs.truncateSync(file, 3),
        (file: string) => Fs.rmSync(file),
        (file: string) => (Fs.copyFileSync(file, `${file}.new`), Fs.renameSync(`${file}.new`, file))
      ]) {
        const directory = yield* temporaryDirectory
        const store = yield* open(directory)
        yield* store.write(writes[0])
        spoil(fileOf(directory))
        const left = contents(directory)
        const error = yield* Effect.flip(store.write(writes[1]))
        assert.deepStrictEqual([error.reason, error.operation], ["corrupt", "write"])
        assert.deepStrictEqual(contents(directory), left)
        assert.deepStrictEqual(yield* store.get("a", "1"), Option.some(rowOf(writes[0][0])))
      }
    })
  )

  it.scoped("fails once its scope has ended, after the write under way", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [store, writing] = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(directory)
          const writing = yield* Effect.forkDaemon(store.write(writes[0]))
          yield* Effect.yieldNow()
          return [store, writing] as const
        })
      )
      for (const call of FlowStores.calls(store)) assert.strictEqual((yield* Effect.flip(call)).reason, "closed")
      assert.strictEqual((yield* Fiber.join(writing))._tag, "Written")
      yield* hasFirst(1, directory)
    })
  )
})
