/**
 * What was given to writers, one after the other over one store, and what must have become of it. It is compared with
 * what is stored, with the dead letters and with what the writers reported when they ended.
 */
import { assert } from "@effect/vitest"
import { Array, Effect, Exit, Option } from "effect"
import { ModuleStatus, RunId, RunStore } from "heddle"
import type { StateWriter, Transition } from "heddle"
import type { StateNotWritten } from "heddle/model/StateNotWritten"
import type { Claim, Level } from "heddle/state/Update"
import * as ControlledStore from "./ControlledStore.js"
import { idsIn, idsOfLetter, own, type FaultedStore } from "./FaultedStore.js"
import { checkCounts, type Writer } from "./Writers.js"

export interface Patch {
  readonly set: { readonly [field: string]: number }
  readonly clear: ReadonlyArray<string>
}

export type Way = "unsafe" | "update" | "durable"

/** One update. Its number is its time or, of a patch, a field of its own that nobody clears. */
interface Given {
  readonly id: number
  readonly unit: string
  readonly generation: number
  readonly epoch: number | undefined
  readonly patch: Patch | undefined
  /** Whether it was queued; one of which the fiber was interrupted, or that failed, may have been. */
  accepted: "yes" | "no" | "maybe"
  outcome: "acknowledged" | "refused" | undefined
}

const statuses = ModuleStatus.ModuleStatus.literals.filter((status) => status !== "pending")

interface Driver {
  readonly claim: Claim
  seq: number
  readonly modules: Map<string, Row>
  hasEnded: boolean
}

/** Independent of the one that is tested. */
const rank: { readonly [S in ModuleStatus.ModuleStatus]: number } = {
  pending: 0,
  scheduled: 1,
  running: 2,
  suspended: 3,
  completed: 4,
  failed: 4,
  skipped: 4,
  cancelled: 4
}

interface Row {
  readonly status: ModuleStatus.ModuleStatus
  readonly attempt: number
  readonly output?: string
}

const follows = (before: Row, next: Row) =>
  rank[before.status] < 4 &&
  (next.attempt > before.attempt || (next.attempt === before.attempt && rank[next.status] > rank[before.status]))

/** The rows of modules that transitions lead to. */
const rowsOf = (history: ReadonlyArray<Transition.Transition>) => {
  const rows = new Map<string, Row>()
  for (const change of history) {
    if (change._tag !== "ModuleTransition") continue
    const { at, attempt, module, status } = change
    const next = { status, attempt, ...(status === "completed" ? { output: String(at) } : {}) }
    if (follows(rows.get(module) ?? { status: "pending", attempt: 0 }, next)) rows.set(module, next)
  }
  return rows
}

/** Over a store with faults; the runs are opened. */
export const make = (
  faults: FaultedStore,
  names: { readonly runs: ReadonlyArray<string>; readonly keys: ReadonlyArray<string> }
) =>
  Effect.gen(function* () {
    const store = yield* RunStore.RunStore
    const { uncertain, unkept } = faults
    const given: Array<Given> = []
    const drivers = new Map<string, Driver>()
    let generation = 0
    let lastId = 0

    /** The run's next driver goes on from what is stored, with the right to write; nothing when the run has ended. */
    const drive = (name: string) =>
      Effect.gen(function* () {
        const runId = RunId.make(name)
        if (Option.isNone(yield* store.run(runId))) {
          yield* store.open({ ...ControlledStore.newRun(name), owner: "me", createdAt: 0 })
        }
        const claimed = yield* store.claim({ runId, owner: "me", now: 1, expiredBefore: Infinity, reopen: false })
        if (claimed._tag !== "Claimed") return void drivers.delete(name)
        const { modules } = Option.getOrThrow(yield* store.get(runId))
        const { epoch, seq } = claimed.run
        drivers.set(name, {
          claim: { runId, epoch },
          seq,
          modules: new Map(modules.map(({ attempt, module, status }) => [module, { attempt, status }])),
          hasEnded: false
        })
      })

    // --- updates

    const note = (unit: string, epoch: number | undefined, patch: Patch | undefined, id = ++lastId): Given => {
      const made: Given = { id, unit, generation, epoch, patch, accepted: "maybe", outcome: undefined }
      given.push(made)
      return made
    }

    /** Notes what the effect says of the update. */
    const noted = <E extends { readonly _tag: string }>(
      made: Given,
      way: Way,
      write: Effect.Effect<void, E>
    ): Effect.Effect<void, E> =>
      Effect.onExit(write, (exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) {
            made.accepted = "yes"
            if (way === "durable") made.outcome = "acknowledged"
          } else if (!Exit.isInterrupted(exit)) {
            if (way === "update") made.accepted = "no"
            made.outcome = "refused"
          }
        })
      )

    /** The next transition of a run, of the `choice`th of those that there may be. */
    const transition = (driver: Driver, module: string, choice: number, at: number): Transition.Transition => {
      const seq = ++driver.seq
      if (choice >= 95) {
        driver.hasEnded = true
        return { _tag: "RunTransition", seq, at, status: "completed", epoch: driver.claim.epoch }
      }
      const before = driver.modules.get(module) ?? { status: "pending", attempt: 0 }
      const all = statuses.flatMap((status) =>
        [before.attempt, before.attempt + 1].map((attempt) => ({ status, attempt }))
      )
      // some come too late, and change nothing
      const isLate = choice >= 85
      const next = all.filter((next) => next.attempt > 0 && follows(before, next) !== isLate)
      const taken = next[choice % Math.max(1, next.length)]
      if (taken === undefined) return { _tag: "SharedTransition", seq, at, shared: { c: at } }
      if (!isLate) driver.modules.set(module, taken)
      return { _tag: "ModuleTransition", seq, at, module, ...taken }
    }

    /** The next update of a run; it ends as the way says. */
    const updateRun = (
      writer: Writer,
      name: string,
      step: { readonly module: string; readonly choice: number; readonly way: Way; readonly level: Level }
    ): Effect.Effect<void, StateWriter.WriteError> =>
      Effect.suspend(() => {
        const driver = drivers.get(name)
        if (driver === undefined || driver.hasEnded) return Effect.void
        const { claim } = driver
        const made = note(name, claim.epoch, undefined)
        const change = transition(driver, step.module, step.choice, made.id)
        const isDone = change._tag === "ModuleTransition" && change.status === "completed"
        const update = {
          claim,
          transition: change,
          output: isDone ? String(made.id) : null,
          durability: step.level
        }
        if (step.way !== "unsafe") {
          return noted(made, step.way, step.way === "durable" ? writer.updateDurable(update) : writer.update(update))
        }
        let times = 0
        writer.unsafeUpdate(update, {
          accepted: () => {
            assert.strictEqual(made.accepted, "maybe", "accepted once, and first")
            made.accepted = "yes"
          },
          settled: (exit) => {
            assert.strictEqual(++times, 1, "settled once")
            if (made.accepted === "maybe") made.accepted = "no"
            made.outcome = Exit.isSuccess(exit) ? "acknowledged" : "refused"
          }
        })
        return Effect.void
      })

    /** A patch of a key; it ends as the way says. */
    const updateState = (
      writer: Writer,
      key: string,
      patch: Patch,
      way: Way,
      level: Level
    ): Effect.Effect<void, StateNotWritten> =>
      Effect.suspend(() => {
        const made = note(key, undefined, patch)
        const update = {
          key,
          set: { ...patch.set, [own(made.id)]: made.id },
          clear: patch.clear,
          durability: level
        }
        return way === "durable"
          ? noted(made, "durable", writer.updateDurable(update))
          : noted(made, "update", writer.update(update))
      })

    // --- what must be

    const checkRun = (name: string, letters: ReadonlyMap<number, number>) =>
      Effect.gen(function* () {
        const runId = RunId.make(name)
        const history = yield* store.history(runId, { after: 0, limit: Infinity })
        const ids = history.map(({ at }) => at)
        assert.strictEqual(new Set(ids).size, ids.length, `${name}: nothing is stored twice`)
        const stored = new Set(ids)
        const all = given.filter(({ unit }) => unit === name)
        assert.deepStrictEqual(
          all.filter(({ id }) => stored.has(id)).map(({ id }) => id),
          ids,
          `${name}: in the order in which it was offered`
        )
        for (const [epoch, of] of Object.entries(Array.groupBy(all, (made) => String(made.epoch)))) {
          const last = Array.findLastIndex(of, ({ id }) => stored.has(id))
          const gap = of
            .slice(
              0,
              Option.getOrElse(last, () => 0)
            )
            .find(({ accepted, id }) => accepted === "yes" && !stored.has(id))
          assert.isUndefined(gap, `${name}: a prefix of what the driver with epoch ${epoch} did`)
        }
        checkEach(all, stored, letters)
        // the rows are what the transitions say
        const expected = rowsOf(history)
        const { modules } = Option.getOrThrow(yield* store.get(runId))
        const outputs = yield* store.outputs(runId, [...expected.keys()])
        assert.deepStrictEqual(
          new Map(
            modules.map(({ attempt, module, status }) => {
              const output = outputs.get(module)
              return [module, { status, attempt, ...(output === undefined ? {} : { output }) }]
            })
          ),
          expected,
          `${name}: the rows of its modules`
        )
        return stored
      })

    const checkState = (key: string, letters: ReadonlyMap<number, number>) =>
      Effect.gen(function* () {
        const fields = yield* store.state(key)
        const stored = new Set(idsIn(fields.keys()))
        const all = given.filter(({ unit }) => unit === key)
        checkEach(all, stored, letters)
        const expected = new Map<string, string>()
        for (const { id, patch } of all) {
          if (patch === undefined || !stored.has(id)) continue
          for (const field of patch.clear) expected.delete(field)
          for (const [field, value] of Object.entries({ ...patch.set, [own(id)]: id })) expected.set(field, `${value}`)
        }
        assert.deepStrictEqual(
          Object.fromEntries(fields),
          Object.fromEntries(expected),
          `${key}: the fold of its patches`
        )
        return stored
      })

    const checkEach = (
      all: ReadonlyArray<Given>,
      stored: ReadonlySet<number>,
      letters: ReadonlyMap<number, number>
    ) => {
      for (const { accepted, id, outcome, unit } of all) {
        const what = `${unit}, update ${id}`
        const isStored = stored.has(id)
        if (outcome === "acknowledged") assert.isTrue(isStored, `${what}: what was acknowledged is stored`)
        if (accepted === "no") assert.isFalse(isStored || letters.has(id), `${what}: it was not accepted`)
        if (!uncertain.has(id)) {
          if (outcome === "refused") assert.isFalse(isStored, `${what}: what was refused is not stored`)
          assert.isFalse(isStored && letters.has(id), `${what}: it is stored, or in a dead letter`)
        }
        assert.isAtMost(letters.get(id) ?? 0, 1, `${what}: it is in one dead letter`)
      }
      const known = new Set(all.map(({ id }) => id))
      for (const id of stored) assert.isTrue(known.has(id), "what is stored was offered")
    }

    /** Compares all that there is; gives the numbers of what is stored. */
    const check = Effect.gen(function* () {
      const letters = new Map<number, number>()
      for (const letter of yield* store.deadLetters({ limit: Infinity })) {
        for (const id of idsOfLetter(letter)) letters.set(id, (letters.get(id) ?? 0) + 1)
      }
      const stored = new Set<number>()
      for (const name of names.runs) for (const id of yield* checkRun(name, letters)) stored.add(id)
      for (const key of names.keys) for (const id of yield* checkState(key, letters)) stored.add(id)
      return { letters, stored }
    })

    /** The writer has ended: everything that was accepted is stored, in a dead letter, or reported. */
    const ended = (writer: Writer) =>
      Effect.gen(function* () {
        const wasStuck = faults.ended()
        const { unwritten } = yield* writer.close
        const { letters, stored } = yield* check
        const all = given.filter((made) => made.generation === generation)
        const count = (some: ReadonlyArray<Given>, is: (made: Given) => boolean) => some.filter(is).length
        const isNowhere = ({ id }: Given) => !stored.has(id) && !letters.has(id) && !unkept.has(id)
        for (const unit of [...names.runs, ...names.keys]) {
          const of = all.filter((made) => made.unit === unit)
          const missing = count(of, (made) => made.accepted === "yes" && isNowhere(made))
          const others = count(
            of,
            (made) =>
              made.accepted !== "no" &&
              (uncertain.has(made.id) || unkept.has(made.id) || (made.accepted === "maybe" && isNowhere(made)))
          )
          const reported = unwritten.get(unit) ?? 0
          const seen = wasStuck ? missing : reported + count(of, ({ id }) => uncertain.has(id))
          assert.isAtLeast(seen, missing, `${unit}: nothing is lost unseen`)
          assert.isAtMost(reported, missing + others, `${unit}: nothing is reported that is elsewhere`)
        }
        const stats = yield* writer.stats
        checkCounts(stats, "at the end")
        assert.deepStrictEqual([stats.depth, stats.inFlight, stats.waiting], [0, 0, 0])
        const yes = count(all, ({ accepted }) => accepted === "yes")
        const maybe = count(all, ({ accepted }) => accepted === "maybe")
        assert.isAtLeast(stats.queued, yes)
        assert.isAtMost(stats.queued, yes + maybe)
        const written = count(all, ({ id }) => stored.has(id))
        const doubts = count(all, ({ id }) => uncertain.has(id))
        assert.isAtMost(stats.processed, written)
        assert.isAtLeast(stats.processed, written - doubts)
        assert.isAtLeast(
          stats.processed,
          count(all, ({ outcome }) => outcome === "acknowledged")
        )
        generation++
      })

    for (const name of names.runs) yield* drive(name)
    return { check, drive, ended, updateRun, updateState }
  })
