/** `npx tsx docs/examples/approval/main.ts`: orders that wait for a person. */
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Clock, Console, Data, Effect, Exit, Layer, Option, Stream } from "effect"
import { Engine, Heddle, Plan, RunError, Timeline } from "heddle"
import type { RunId } from "heddle"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import * as Approval from "./Approval.js"
import * as Arguments from "./Arguments.js"
import * as Report from "./Report.js"

type ApprovalDag = ReturnType<typeof Approval.make>["dag"]

/** The order ended, but not as it should. */
class NotCompleted extends Data.TaggedError("NotCompleted")<{ readonly message: string }> {}

/** Says how far an order is. */
const report = (order: RunId) =>
  Effect.gen(function* () {
    yield* Console.log(Report.status(yield* Engine.get(order), yield* Clock.currentTimeMillis))
  })

/** Runs until the order has ended or waits. Nobody goes on with it then: this engine owns no Dags. */
const start = (dag: ApprovalDag, order: RunId, lines: ReadonlyArray<number>, options: Arguments.Options) =>
  Effect.gen(function* () {
    const { automatic, grace } = options
    const handle = yield* Engine.start(dag, { lines, automatic, grace }, { runId: order })
    yield* Effect.catchTag(Effect.asVoid(handle.await), "RunSuspended", () => Effect.void)
    yield* report(order)
  })

/** The engine that is around this drives what is due. Watching works too when another process does. */
const work = (order: RunId | undefined) =>
  Effect.gen(function* () {
    if (order === undefined) {
      yield* Console.log(`working (process ${process.pid}): Ctrl-C ends it`)
      return yield* Effect.never
    }
    yield* Stream.runDrain(Engine.watch(order))
    const { status } = yield* Engine.get(order)
    if (status !== "completed") return yield* new NotCompleted({ message: `${order}: ${status}` })
    yield* report(order)
  })

/** Reading takes no engine. */
const show = (dag: ApprovalDag, order: RunId) =>
  Effect.gen(function* () {
    const timeline = yield* Timeline.Timeline
    const run = yield* timeline.get(order)
    if (Option.isNone(run)) return yield* new RunError.UnknownRun({ runId: order })
    const plan = yield* Plan.make(dag)
    const modules = plan.modules.filter(({ definition }) => definition.kind !== "input").map(({ name }) => name)
    const outputs = yield* timeline.outputs(order, modules)
    const now = yield* Clock.currentTimeMillis
    yield* Console.log(Report.text({ snapshot: run.value.snapshot, now, modules, outputs }))
  })

const run = ({ command, options }: Arguments.Arguments) => {
  const { database: filename, poll, timeout } = options
  const { approval, dag } = Approval.make(timeout)
  const store = RunStoreSqlite.layer({ filename })
  const engine = Heddle.layerSqlite({ filename })
  switch (command.name) {
    case "help":
      return Console.log(Arguments.help.trimEnd())
    case "start":
      return Effect.provide(start(dag, command.order, command.lines, options), engine)
    case "approve":
      return Engine.signal(command.order, approval, { approved: command.approved, by: command.by }).pipe(
        Effect.zipRight(Console.log(`${command.order}: ${command.approved ? "yes" : "no"}, says ${command.by}`)),
        Effect.provide(engine)
      )
    case "work":
      return Effect.provide(work(command.order), Heddle.layerSqlite({ filename, engine: { dags: [dag], poll } }))
    case "show":
      return Effect.provide(show(dag, command.order), Layer.provide(Timeline.layer, store))
    case "cancel":
      return Engine.cancel(dag, command.order).pipe(Effect.zipRight(report(command.order)), Effect.provide(engine))
  }
}

const program = Effect.gen(function* () {
  yield* run(yield* Arguments.parse(process.argv.slice(2)))
}).pipe(
  // an error of an order, of the arguments or of Heddle says in its message what is wrong
  Effect.tapError((error) => Console.error(`approval: ${error.message}`)),
  Effect.tapErrorCause((cause) => (Cause.isDie(cause) ? Console.error(Cause.pretty(cause)) : Effect.void))
)

NodeRuntime.runMain(program, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)
})
