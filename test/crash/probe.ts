import { Dag, Engine, Heddle, Module, RunId } from "heddle"
import { Effect, Schema } from "effect"
const a = Module.make("a", { output: Schema.Number, run: () => Effect.succeed(1) })
const D = Dag.make("d", { outputs: { a } })
const t0 = performance.now()
Engine.execute(D, {}, { runId: RunId.make("x" + process.pid) }).pipe(Effect.provide(Heddle.layerSqlite({ filename: "/tmp/probe/p.db" })), Effect.runPromise).then((r) => console.log(r, performance.now() - t0, performance.now()))
