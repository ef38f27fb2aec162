import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type * as FiberId from "effect/FiberId"
import * as FiberRefs from "effect/FiberRefs"
import type * as Definition from "../../dag/Definition.js"
import type { RunId } from "../../model/RunId.js"
import { StateViolation } from "../../model/StateViolation.js"
import * as Digest from "./Digest.js"
import * as FrozenWrite from "./FrozenWrite.js"
import * as Reachable from "./Reachable.js"

type Erased = Effect.Effect<unknown, unknown, unknown>

type Kind = "input" | "item" | "shared" | "output" | "node"

/** A value that a module or an update is given, and what its paths begin with. */
export interface Given {
  readonly kind: Kind
  readonly name: string
  readonly value: unknown
}

export const givenNeeds = (needs: Definition.ErasedValues): ReadonlyArray<Given> => [
  { kind: "input", name: "", value: needs }
]

export const givenItem = (item: unknown, needs: Definition.ErasedValues, index: number): ReadonlyArray<Given> => [
  { kind: "item", name: String(index), value: item },
  ...givenNeeds(needs)
]

/** An object of a value that cannot be frozen. */
interface Place {
  readonly object: object
  readonly path: string
}

/** What of a value cannot be frozen. */
interface Places {
  readonly places: ReadonlyArray<Place>
}

/** A value that is kept, frozen as far as it can be. */
interface Kept extends Given, Places {}

/** Something that runs, and what it was given. */
interface Watch {
  readonly module: string
  readonly given: Array<Kept>
  readonly objects: Set<object>
}

/** The call of a module that is under way. */
interface Call {
  /** It is given state of a node. */
  readonly isGiven: (node: string, value: unknown) => void
}

/** The call to which a fiber belongs. */
export const currentCall = FiberRef.unsafeMake<Call | undefined>(undefined)

/** The run to which a fiber belongs. */
const currentRun = FiberRef.unsafeMake<RunId | undefined>(undefined)

const pathIn = (name: string, path: string) =>
  name.endsWith("/") ? name + path : [name, path].filter((part) => part !== "").join(".")

/**
 * The debug guard of one run. Plain data is frozen when it is given as an output or to a module; what cannot be frozen is
 * compared with what it was when it was given, whenever something that has it begins or ends, and when the run ends.
 */
export class RunGuard {
  private readonly identify = Digest.identities()
  /** What each object was like when it was looked at last. */
  private readonly digests = new WeakMap<object, string>()
  /** By path of the module that gave them. */
  private readonly outputs = new Map<string, Kept>()
  /** By path of the cell: the committed value, and what modules see of it before they commit. */
  private readonly cells = new Map<string, Map<unknown, Kept>>()
  /** Who gave an object as an output first, and where in it. */
  private readonly owners = new WeakMap<object, { readonly module: string; readonly path: string }>()
  private readonly running = new Set<Watch>()

  constructor(
    private readonly runId: RunId,
    private readonly report: (violation: StateViolation) => void
  ) {}

  /** Marks the fibers that are begun with these as fibers of this run. */
  mark(refs: FiberRefs.FiberRefs, fiberId: FiberId.Runtime): FiberRefs.FiberRefs {
    return FiberRefs.updateAs(refs, { fiberId, fiberRef: currentRun, value: this.runId })
  }

  // --- what is kept

  /** Freezes what can be frozen and gives the rest. An object that is known keeps the digest that it had. */
  private freeze({ kind, name, value }: Given): Kept {
    const places: Array<Place> = []
    Reachable.from(value, ({ object, path, treatment }) => {
      if (treatment === "freeze") Object.freeze(object)
      if (treatment !== "compare") return
      places.push({ object, path: pathIn(name, path) })
      if (!this.digests.has(object)) this.digests.set(object, Digest.of(object, this.identify))
    })
    return { kind, name, value, places }
  }

  /** What a module gave. */
  output(module: string, value: unknown): void {
    const known = this.outputs.get(module)
    if (known !== undefined && known.value === value) return
    const kept = this.freeze({ kind: "output", name: module, value })
    this.outputs.set(module, kept)
    for (const { object, path } of kept.places) if (!this.owners.has(object)) this.owners.set(object, { module, path })
  }

  /** A value of a shared cell: that of the run from now on, or one that a module sees meanwhile. */
  cell(path: string, value: unknown, isCommitted: boolean): void {
    const known = this.cells.get(path)
    const kept = known?.get(value) ?? this.freeze({ kind: "shared", name: path, value })
    if (isCommitted || known === undefined) this.cells.set(path, new Map([[value, kept]]))
    else known.set(value, kept)
  }

  // --- what runs

  private violation(
    kind: StateViolation["kind"],
    module: string | null,
    path: string,
    others: ReadonlyArray<string> = [],
    cause?: unknown
  ) {
    const violation = new StateViolation({ kind, runId: this.runId, module, path, others, cause })
    this.report(violation)
    return violation
  }

  /** What was changed since it was looked at last: it is looked at now. */
  private changed({ places }: Places): ReadonlyArray<Place> {
    return places.filter(({ object }) => {
      const before = this.digests.get(object)
      const now = Digest.of(object, this.identify)
      this.digests.set(object, now)
      return now !== before
    })
  }

  /** Who runs and may have changed an object: whoever was given it, or, of a shared cell, anybody. */
  private holders(kind: Kind, object: object, besides?: string): ReadonlyArray<string> {
    const names = new Set<string>()
    for (const { module, objects } of this.running) {
      if (module !== besides && (kind === "shared" || objects.has(object))) names.add(module)
    }
    return Array.from(names)
  }

  /** Begins with values that are as they were given, or throws: then whoever gave them has changed them since. */
  private begin(module: string, given: ReadonlyArray<Given>): Watch {
    const kept = given.map((value) => this.freeze(value))
    let stale: StateViolation | undefined
    for (const { kind, places } of kept) {
      const free = places.filter(({ object }) => this.owners.has(object) && this.holders(kind, object).length === 0)
      for (const { object } of this.changed({ places: free })) {
        const owner = this.owners.get(object)!
        const violation = this.violation("output", owner.module, owner.path)
        stale ??= violation
      }
    }
    if (stale !== undefined) throw stale
    const watch = { module, given: kept, objects: new Set(kept.flatMap(({ places }) => places.map((at) => at.object))) }
    this.running.add(watch)
    return watch
  }

  private end(watch: Watch): StateViolation | undefined {
    this.running.delete(watch)
    const { module } = watch
    let first: StateViolation | undefined
    for (const kept of [...watch.given, ...this.inCells()]) {
      for (const { object, path } of this.changed(kept)) {
        const violation = this.violation(kept.kind, module, path, this.holders(kept.kind, object, module))
        first ??= violation
      }
    }
    return first
  }

  private *inCells(): Iterable<Kept> {
    for (const values of this.cells.values()) yield* values.values()
  }

  /** Where a write to something frozen was to: to what it was given, or to anything else that the run keeps. */
  private blame({ given, module }: Watch, write: FrozenWrite.FrozenWrite | undefined): StateViolation | undefined {
    if (write === undefined) return undefined
    for (const rank of [0, 1] as const) {
      for (const values of [...given.map((value) => [value]), this.inCells(), this.outputs.values()]) {
        for (const { kind, name, value } of values) {
          const places = FrozenWrite.places(write, value, rank).map((path) => pathIn(name, path))
          if (places.length > 0) return this.violation(kind, module, FrozenWrite.render(places), [], write.error)
        }
      }
    }
    return undefined
  }

  /** Calls a function of a module with what it is given. Throws a violation in the place of what came of it. */
  call<A>(module: string, given: ReadonlyArray<Given>, f: () => A): A {
    const watch = this.begin(module, given)
    let result: A
    try {
      result = f()
    } catch (error) {
      const violation = error instanceof StateViolation ? undefined : this.blame(watch, FrozenWrite.of(error))
      throw this.end(watch) ?? violation ?? error
    }
    const violation = this.end(watch)
    if (violation !== undefined) throw violation
    return result
  }

  /** The same of an effect, which dies with the violation; one that was interrupted stays so. */
  effect(module: string, given: ReadonlyArray<Given>, f: () => Erased): Erased {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const watch = this.begin(module, given)
        const call = Effect.locally(Effect.suspend(f), currentCall, {
          isGiven: (name, value) => {
            const kept = this.freeze({ kind: "node", name, value })
            watch.given.push(kept)
            for (const { object } of kept.places) watch.objects.add(object)
          }
        })
        return Effect.flatMap(Effect.exit(restore(call)), (exit) => this.settle(watch, exit))
      })
    )
  }

  private settle(watch: Watch, exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> {
    const changed = this.end(watch)
    if (Exit.isSuccess(exit)) return changed === undefined ? exit : Exit.die(changed)
    const { cause } = exit
    if (Cause.isInterruptedOnly(cause) || Chunk.some(Cause.defects(cause), isViolation)) return exit
    // the report keeps what it failed with itself, as no more than a defect
    if (changed !== undefined)
      return Exit.failCause(Cause.sequential(Cause.die(changed), Cause.flatMap(cause, Cause.die)))
    const violation = this.blame(watch, FrozenWrite.ofCause(cause))
    return violation === undefined ? exit : Exit.die(violation)
  }

  /** The effects of a handle of a module: only until it has ended, and only in fibers of its own run. */
  handle<A, E>(module: string, isEnded: () => boolean, f: () => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.withFiberRuntime<A, E>((fiber) => {
      const run = fiber.getFiberRef(currentRun)
      if (run !== undefined && run !== this.runId) return Effect.die(this.violation("otherRun", module, "", [run]))
      return isEnded() ? Effect.die(this.violation("endedModule", module, "")) : f()
    })
  }

  /** Looks at what was changed when nothing ran any more that had it: there is nothing left to fail. */
  finish(): void {
    for (const kept of this.outputs.values()) {
      for (const { object } of this.changed(kept)) {
        const owner = this.owners.get(object)!
        this.violation("output", owner.module, owner.path)
      }
    }
    for (const kept of this.inCells()) for (const { path } of this.changed(kept)) this.violation("shared", null, path)
  }
}

const isViolation = (defect: unknown) => defect instanceof StateViolation
