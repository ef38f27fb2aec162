import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { TypeId, type Attempt } from "../../dag/CurrentModule.js"
import { ModuleEnded } from "../../model/ModuleError.js"
import type { RunId } from "../../model/RunId.js"
import type { SharedValues } from "../../model/Transition.js"
import type { RunGuard } from "./RunGuard.js"
import type { Seen, SharedCells, Update } from "./SharedCells.js"

type Cells = { readonly [key: string]: unknown }

/** What a module says while it runs; not persisted. */
export type Said =
  | { readonly _tag: "Token"; readonly value: unknown }
  | { readonly _tag: "Progress"; readonly done: number; readonly total: number }

/** What the attempts of one run have in common. */
export interface Host {
  readonly runId: RunId
  /** Waits while the consumer who started the run is behind. */
  readonly hasRoom: Effect.Effect<void>
  readonly say: (said: Said, module: string, index: number | undefined) => Effect.Effect<void>
  readonly stop: () => void
  readonly isCutOff: () => boolean
  readonly share: (values: SharedValues) => void
  /** Undefined when the debug guard is off. */
  readonly guard: RunGuard | undefined
}

const unchanged: Either.Either<undefined> = Either.right(undefined)

/** The engine's side of `CurrentModule`: once it has ended, each of its effects fails. */
export class CurrentAttempt implements Attempt {
  readonly [TypeId]: typeof TypeId = TypeId
  /** In the order in which the attempt asked for them; they take effect when the module completes. */
  private readonly updates: Array<Update> = []
  /** By group, so that not all updates are applied again each time that it is looked at. */
  private seen: Map<string, Seen> | undefined
  private ended = false

  constructor(
    private readonly host: Host,
    private readonly cells: SharedCells,
    readonly path: string,
    readonly index: number | undefined,
    readonly attempt: number
  ) {}

  get runId() {
    return this.host.runId
  }

  get isCutOff() {
    return Effect.sync(() => this.host.isCutOff())
  }

  end(): void {
    this.ended = true
  }

  /**
   * Lets the updates take effect, all of them or none. Gives the values that changed, undefined when none did, or why they
   * could not.
   */
  commit(): Either.Either<SharedValues | undefined, Cause.Cause<unknown>> {
    if (this.updates.length === 0) return unchanged
    try {
      const committed = this.cells.commit(this.updates, false)
      if (Either.isLeft(committed)) return Either.left(Cause.fail(committed.left))
      if (this.host.guard !== undefined) for (const { group } of this.updates) this.keep(this.host.guard, group)
      return Object.keys(committed.right).length === 0 ? unchanged : Either.right(committed.right)
    } catch (defect) {
      return Either.left(Cause.die(defect))
    }
  }

  /** The values of a group are those of the run from now on. */
  private keep(guard: RunGuard, group: string): void {
    const { path, values } = this.cells.find(group)!
    for (const [key, value] of Object.entries(values.current)) guard.cell(path + key, value, true)
  }

  /** An update under the guard, where that is on. */
  private watched(group: string, f: Update["f"]): Update["f"] {
    const { guard } = this.host
    if (guard === undefined) return f
    return (cells) => {
      const given = { kind: "shared", name: this.cells.find(group)?.path ?? "", value: cells } as const
      return guard.call(this.path, [given], () => f(cells))
    }
  }

  private whileIn<A>(f: () => Effect.Effect<A, ModuleEnded>): Effect.Effect<A, ModuleEnded> {
    const { guard } = this.host
    if (guard !== undefined) return guard.handle(this.path, () => this.ended, f)
    return Effect.suspend((): Effect.Effect<A, ModuleEnded> =>
      this.ended ? new ModuleEnded({ module: this.path, attempt: this.attempt }) : f()
    )
  }

  /** The attempt may end while it waits for room. */
  private say(said: Said) {
    const now = this.whileIn(() => this.host.say(said, this.path, this.index))
    return this.whileIn(() => Effect.zipRight(this.host.hasRoom, now))
  }

  emit(value: unknown) {
    return this.say({ _tag: "Token", value })
  }

  progress(done: number, total: number) {
    return this.say({ _tag: "Progress", done, total })
  }

  get stop() {
    return this.whileIn(() => Effect.sync(() => this.host.stop()))
  }

  get(group: string, key: string) {
    return this.whileIn(() =>
      Effect.sync(() => {
        const seen = this.cells.see(group, this.updates, this.seen?.get(group))
        this.seen ??= new Map()
        this.seen.set(group, seen)
        const value = seen.values[key]
        this.host.guard?.cell(`${this.cells.find(group)!.path}${key}`, value, false)
        return value
      })
    )
  }

  update(group: string, f: (cells: Cells) => Cells) {
    return this.whileIn(() => Effect.sync(() => void this.updates.push({ group, f: this.watched(group, f) })))
  }

  updateLive(group: string, f: (cells: Cells) => Cells) {
    return this.whileIn(() =>
      Effect.suspend(() =>
        Either.match(this.cells.commit([{ group, f: this.watched(group, f) }], true), {
          // a value that its own cell refuses is a fault of the program
          onLeft: ({ faults }) => Effect.dieMessage(faults.map(({ message }) => message).join("; ")),
          // at once: another fiber's update must not come between the change and its number
          onRight: (values) => {
            if (this.host.guard !== undefined) this.keep(this.host.guard, group)
            return Effect.succeed(this.host.share(values))
          }
        })
      )
    )
  }
}
