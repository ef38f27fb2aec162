/** `npm run demo`: audits the packages in a node_modules folder. */
import { FileSystem, Path } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Effect, Exit } from "effect"
import { Diagram, Heddle, Progress } from "heddle"
import * as Arguments from "./Arguments.js"
import * as Installed from "./Installed.js"
import * as Report from "./Report.js"
import * as Runs from "./Runs.js"

const audit = ({ concurrency, database, report, target }: Arguments.Arguments) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { dirname } = yield* Path.Path
    // better now than after the work
    yield* fs
      .access(dirname(report), { writable: true })
      .pipe(Effect.mapError(() => new Arguments.ArgumentInvalid({ message: `"${report}" cannot be written` })))
    const { folder, packages } = yield* Installed.find(target)
    yield* Console.log(`auditing ${folder} (process ${process.pid})`)
    const findings = yield* Effect.gen(function* () {
      const { dag, handle } = yield* Runs.start({ folder, packages, concurrency })
      yield* Progress.render(handle, Progress.fromWriteStream(process.stderr), { label: "audit" })
      const findings = yield* handle.await
      const picture = yield* Diagram.mermaid(dag, { snapshot: yield* handle.snapshot })
      yield* fs.writeFileString(report, Report.markdown({ folder, runId: handle.id, findings, picture }))
      return findings
    }).pipe(Effect.provide(Heddle.layerSqlite({ filename: database })))
    yield* Console.log(`${Report.summary(findings)}\nreport: ${report}`)
  })

const program = Effect.flatMap(Arguments.parse(process.argv.slice(2)), (parsed) =>
  parsed.help ? Console.log(Arguments.help.trimEnd()) : audit(parsed)
).pipe(
  // an error of the audit, of the arguments or of Heddle says in its message what is wrong and what to do
  Effect.tapError((error) => Console.error(`audit: ${error.message}`)),
  Effect.tapErrorCause((cause) => (Cause.isDie(cause) ? Console.error(Cause.pretty(cause)) : Effect.void)),
  Effect.onInterrupt(() => Console.error("audit: interrupted; the same command carries on")),
  Effect.provide(NodeContext.layer)
)

NodeRuntime.runMain(program, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)
})
