/**
 * The process that is killed: it reads commands from its input and does them one after the other.
 */
// not by its package: undici, which comes with that, would take longer to load than all the rest
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Array, Cause, Clock, Effect, Fiber, Option, Schedule, Schema, Stream } from "effect"
import { Engine, Heddle } from "heddle"
import type { RunError, RunSnapshot, Transition } from "heddle"
import * as Fs from "node:fs"
import * as Readline from "node:readline"
import * as Layered from "./Layered.js"
import { Command, descriptor, type Message } from "./Protocol.js"

// Synchronous, all of it: when it returns, the kernel has it, whatever becomes of this process.
const send = (message: Message) => Fs.writeSync(descriptor, `${JSON.stringify(message)}\n`)
const appendTo = (file: string) => {
  const log = Fs.openSync(file, "a")
  return (line: string) => void Fs.writeSync(log, `${line}\n`)
}

const completed = (change: RunSnapshot.RunSnapshot | Transition.Transition): ReadonlyArray<string> => {
  if (change._tag === "RunSnapshot") {
    return Array.filterMap(change.modules, ([name, { status }]) =>
      status === "completed" ? Option.some(name) : Option.none()
    )
  }
  return change._tag === "ModuleTransition" && change.status === "completed" ? [change.module] : []
}

/** Waits until the file is there. */
const untilThere = (file: string) =>
  Effect.suspend(() => (Fs.existsSync(file) ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("5 millis")),
    Effect.orDie
  )

const perform = ({ at, call, filename, gate, lease, log, patient, runId, seed, size }: Command) =>
  Effect.gen(function* () {
    const acknowledged = appendTo(`${log}.acknowledged`)
    const dag = Layered.dag(size, {
      began: appendTo(`${log}.began`),
      interrupted: appendTo(`${log}.interrupted`),
      gate: gate === "" ? Effect.void : untilThere(gate)
    })
    yield* Effect.sleep(Math.max(0, at - (yield* Clock.currentTimeMillis)))
    send({ _tag: "Begun" })

    const start = Effect.gen(function* () {
      const handle = yield* Engine.start(dag, { seed }, { runId })
      send({ _tag: "Driving" })
      const observer = yield* Effect.fork(
        Stream.runForEach(handle.changes, (change) => Effect.sync(() => completed(change).forEach(acknowledged)))
      )
      const outputs = yield* handle.await
      yield* Fiber.join(observer)
      return outputs
    })
    const resume = Engine.resume(dag, runId)
    type Failure = Effect.Effect.Error<typeof start | typeof resume>
    const once: Effect.Effect<{ readonly [name: string]: number }, Failure, Engine.Engine> =
      call === "start" ? start : call === "resume" ? resume : Engine.execute(dag, { seed }, { runId })
    return yield* Effect.retry(once, {
      while: (error) => {
        if (!patient || error._tag !== "RunHeld") return false
        send({ _tag: "Held", owner: error.owner, retryAfter: error.retryAfter })
        return Effect.as(Effect.sleep(error.retryAfter), true)
      }
    }).pipe(Effect.provide(Heddle.layerSqlite({ filename, lease })))
  }).pipe(
    Effect.matchCause({
      onSuccess: (outputs) => send({ _tag: "Completed", outputs }),
      onFailure: (cause) => {
        const error = Option.getOrUndefined(Cause.failureOption(cause))
        const held: RunError.RunHeld | undefined = error?._tag === "RunHeld" ? error : undefined
        const failed = {
          _tag: "Failed" as const,
          tag: error?._tag ?? (Cause.isInterruptedOnly(cause) ? "Interrupted" : "Defect"),
          message: Cause.pretty(cause)
        }
        send(held === undefined ? failed : { ...failed, owner: held.owner, retryAfter: held.retryAfter })
      }
    })
  )

const commands = Stream.fromAsyncIterable(Readline.createInterface({ input: process.stdin }), (cause) => cause).pipe(
  Stream.mapEffect(Schema.decode(Schema.parseJson(Command)))
)

NodeRuntime.runMain(
  Effect.sync(() => send({ _tag: "Ready" })).pipe(
    Effect.zipRight(Stream.runForEach(commands, perform)),
    // standard input would keep the process alive
    Effect.ensuring(Effect.sync(() => process.stdin.destroy()))
  )
)
