/**
 * A folder of contracts whose workflows are flows, also when its files change.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type * as Node from "../dag/Node.js"
import type { Flow } from "../model/Flow.js"
import type * as Contract from "../node/Contract.js"
import type { ContractDag } from "../node/ContractDag.js"
import { FlowRegistry } from "./FlowRegistry.js"
import { FolderInvalid } from "./FolderInvalid.js"
import * as FolderReading from "./internal/FolderReading.js"

export * from "./FolderInvalid.js"

/**
 * - `directory`: the files in it whose names end in `.yaml`, `.yml` or `.json` and do not begin with a dot are contracts;
 *   folders in it are not looked at
 * - `nodes`: those that workflows may name
 * - `limits`: how large a contract may be, as in `Contract.defaults`
 * - `maxFiles`: how many contracts there may be
 * - `settle`: a change is looked at when nothing more has changed for so long
 * - `poll`: how often the folder is looked at, whatever the file system tells
 * - `actor`: who registers its flows, for the audit trail; names the folder where it is left out
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<N extends Node.Any> {
  readonly directory: string
  readonly nodes: { readonly [name: string]: N }
  readonly limits?: Partial<Contract.Limits> | undefined
  readonly maxFiles?: number | undefined
  readonly settle?: Duration.DurationInput | undefined
  readonly poll?: Duration.DurationInput | undefined
  readonly actor?: string | undefined
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: {
  readonly maxFiles: number
  readonly settle: Duration.DurationInput
  readonly poll: Duration.DurationInput
} = Object.freeze({ maxFiles: 1000, settle: "200 millis", poll: "5 seconds" })

/**
 * The contracts that are in force, all from one look at the folder; frozen, like all that is in it.
 *
 * - `contracts`: all of them, by the name of the file; `flows`: those that are workflows, with their Dags and what the
 *   registry had of them when they were registered
 * - `generation`: counts what has been in force, from 1; it goes on also where a folder is as it was before it was broken
 *
 * @since 0.1.0
 * @category models
 */
export interface Loaded<N extends Node.Any> {
  readonly generation: number
  readonly contracts: ReadonlyArray<{ readonly file: string; readonly contract: Contract.Contract }>
  readonly flows: ReadonlyArray<{ readonly file: string; readonly dag: ContractDag<N>; readonly flow: Flow }>
}

/**
 * What is in force, and what is wrong with what the folder has now: none, when that is in force.
 *
 * @since 0.1.0
 * @category models
 */
export interface State<N extends Node.Any> {
  readonly loaded: Loaded<N>
  readonly problem: Option.Option<FolderInvalid>
}

/**
 * A folder that is watched.
 *
 * @since 0.1.0
 * @category models
 */
export interface FlowFolder<N extends Node.Any> {
  readonly state: Effect.Effect<State<N>>

  /** The state as it is, then each other one. */
  readonly changes: Stream.Stream<State<N>>

  /**
   * Looks now, and gives what is in force then. Fails when the folder cannot be used as it is; what was in force before
   * still is.
   *
   * **Interruption**: the change is in force or not, never in part.
   */
  readonly reload: Effect.Effect<Loaded<N>, FolderInvalid>
}

interface Known<N extends Node.Any> extends State<N> {
  /** Of the look that gave this. */
  readonly digest: string
}

/**
 * Loads a folder of contracts, registers its workflows as flows under their names and versions, and goes on doing so when
 * files change, until the scope ends. The folder is taken as a whole: when anything in it is wrong (a file that does not
 * parse, a step whose node there is not, two files with the same name and version, another definition under a version
 * that is registered) nothing of the change is in force, and `problem` and the log say what is wrong: of the files all of
 * it and, once they are sound, the first flow that cannot be registered. A change that is sound is one transition of the
 * registry and of `state`. A folder that is removed and made again is found within `poll`.
 *
 * A file that is gone takes its contract out of `state`; the flow stays registered, with its status, since there may be
 * runs of it. Whoever runs a Dag of `state` keeps that Dag, whatever comes after. An engine whose `dags` do not have it does
 * not resume its runs by itself: `Engine.resume` does.
 *
 * Write a file beside its place and rename it: of one that is written for longer than `settle` a part could be read.
 *
 * Fails, and registers nothing, when the folder cannot be used at first.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Engine, FlowRegistry } from "heddle"
 * import * as ComputeNode from "heddle/node/ComputeNode"
 * import * as FlowFolder from "heddle/registry/FlowFolder"
 * import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
 * import { Effect, Layer, Schema } from "effect"
 *
 * class Slug extends ComputeNode.Service<Slug>()("app/Slug", { input: Schema.String, output: Schema.String }) {}
 *
 * const program = Effect.gen(function* () {
 *   const folder = yield* FlowFolder.make({ directory: "flows", nodes: { Slug } })
 *   const { loaded } = yield* folder.state
 *   for (const { dag } of loaded.flows) yield* Engine.execute(dag, { input: "Hello" })
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide(FlowRegistry.layer().pipe(Layer.provide(FlowStoreMemory.layer()))),
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <N extends Node.Any>(
  options: Options<N>
): Effect.Effect<FlowFolder<N>, FolderInvalid, FlowRegistry | FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const { directory } = options
    const registry = yield* FlowRegistry
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const by = { actor: options.actor ?? `folder ${directory}`, reason: "" }
    const reading = FolderReading.read({
      directory,
      nodes: options.nodes,
      limits: options.limits ?? {},
      maxFiles: options.maxFiles ?? defaults.maxFiles
    }).pipe(Effect.provideService(FileSystem.FileSystem, fs), Effect.provideService(Path.Path, path))
    // two looks at once could be put in force in the wrong order
    const turn = yield* Effect.makeSemaphore(1)

    const registered = (declared: ReadonlyArray<FolderReading.Declared<N>>) => {
      const invalid = (fault: FolderInvalid["faults"][number]) => new FolderInvalid({ directory, faults: [fault] })
      const fileOf = (name: string) => declared.find(({ dag }) => dag.name === name)?.file ?? directory
      const wrong = (file: string, error: Extract<FolderInvalid["faults"][number], { _tag: "Contract" }>["error"]) =>
        invalid({ _tag: "Contract", file, error })
      return registry
        .registerAll(
          declared.map(({ dag, version }) => ({ dag, version })),
          by
        )
        .pipe(
          Effect.catchTags({
            PlanInvalid: (error) => wrong(fileOf(error.dag), error),
            FlowInvalid: (error) => wrong(fileOf(error.name), error),
            FlowDiffers: (error) =>
              wrong(
                declared.find(({ dag, version }) => dag.name === error.name && version === error.version)?.file ??
                  directory,
                error
              ),
            StoreError: (error) => invalid({ _tag: "NotKept", error })
          }),
          Effect.map((flows) =>
            Object.freeze(declared.map(({ dag, file }, at) => Object.freeze({ file, dag, flow: flows[at]! })))
          )
        )
    }

    type Look = Effect.Effect.Success<typeof reading>

    /** What is in force after a look that differs from the last one. */
    const put = (before: Known<N> | undefined, { digest, found }: Look): Effect.Effect<Known<N>, FolderInvalid> =>
      Effect.gen(function* () {
        const { contracts, declared } = yield* found
        const flows = yield* registered(declared)
        const generation = (before?.loaded.generation ?? 0) + 1
        return { digest, loaded: Object.freeze({ generation, contracts, flows }), problem: Option.none() }
      })

    const ref = yield* SubscriptionRef.make(yield* Effect.flatMap(reading, (look) => put(undefined, look)))

    /** What is registered is in force: only the reading is interruptible. */
    const reload: FlowFolder<N>["reload"] = turn.withPermits(1)(
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const before = yield* SubscriptionRef.get(ref)
          const look = yield* Effect.either(restore(reading))
          const after =
            Either.isRight(look) && look.right.digest === before.digest
              ? before
              : yield* Effect.flatMap(look, (look) => put(before, look)).pipe(
                  // no digest: what is wrong may be so no more without a change of the folder
                  Effect.catchAll((problem) => Effect.succeed({ ...before, digest: "", problem: Option.some(problem) }))
                )
          const isOther = after.loaded !== before.loaded || messageOf(after) !== messageOf(before)
          if (isOther) yield* SubscriptionRef.set(ref, after)
          if (Option.isNone(after.problem)) return after.loaded
          if (isOther) yield* Effect.logWarning(after.problem.value.message)
          return yield* new FolderInvalid(after.problem.value)
        })
      )
    )

    const hints = fs.watch(directory).pipe(
      // a watcher may end, and throws where the system has none left; a folder that is gone may come back
      Stream.concat(Stream.fail("it has ended")),
      Stream.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Stream.failCause(Cause.empty) : Stream.fail(Cause.squash(cause))
      ),
      Stream.retry(Schedule.spaced(options.poll ?? defaults.poll)),
      Stream.orDie,
      Stream.debounce(options.settle ?? defaults.settle)
    )
    const polls = Stream.fromSchedule(Schedule.spaced(options.poll ?? defaults.poll))
    yield* Stream.merge(hints, polls).pipe(
      Stream.runForEach(() =>
        Effect.catchAllCause(Effect.ignore(reload), (cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.interrupt
            : Effect.logError(
                `a look at the folder "${directory}" ended in a defect: what was in force still is`,
                cause
              )
        )
      ),
      Effect.annotateLogs({ package: "heddle", module: "FlowFolder" }),
      Effect.interruptible,
      Effect.forkScoped
    )

    /** An error cannot be frozen, since it keeps its hash in itself: everybody is given another. */
    const stateOf = ({ loaded, problem }: Known<N>): State<N> =>
      Object.freeze({ loaded, problem: Option.map(problem, (error) => new FolderInvalid(error)) })
    return Object.freeze({
      state: Effect.map(SubscriptionRef.get(ref), stateOf),
      changes: Stream.map(ref.changes, stateOf),
      reload
    })
  })

const messageOf = ({ problem }: State<Node.Any>) => Option.map(problem, ({ message }) => message).pipe(Option.getOrNull)
