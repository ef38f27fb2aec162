/** Invoices in two releases. Nothing here knows where flows are kept. */
import { Effect, Layer, Schema, Stream } from "effect"
import { ComputeNode, Dag, Drift, Engine, FlowRegistry, Heddle, Module, type FlowStore } from "heddle"

const amount = Module.input("amount", Schema.Int)

class Tax extends ComputeNode.Service<Tax>()("invoices/Tax", { input: Schema.Int, output: Schema.Int }) {}

const Invoice = Dag.make("invoice", {
  version: "1.0.0",
  outputs: { tax: Module.node("tax", { node: Tax, needs: { amount }, input: ({ amount }) => amount }) }
})

const Taxed = Schema.Struct({ cents: Schema.Int, rate: Schema.Number })

/** The same node in the next release: it says at which rate, too. */
class NextTax extends ComputeNode.Service<NextTax>()("invoices/Tax", { input: Schema.Int, output: Taxed }) {}

const NextInvoice = Dag.make("invoice", {
  version: "2.0.0",
  outputs: { tax: Module.node("tax", { node: NextTax, needs: { amount }, input: ({ amount }) => amount }) }
})

const TaxLive = Tax.layer({ compute: (amount) => Effect.succeed(Math.round(amount * 0.19)) })
const NextTaxLive = NextTax.layer({
  compute: (amount) => Effect.succeed({ cents: Math.round(amount * 0.19), rate: 0.19 })
})

/** The store is said here and nowhere else. The engine asks the registry before it begins a run. */
export const layer = <E, R>(store: Layer.Layer<FlowStore.FlowStore, E, R>) =>
  Heddle.layerMemory.pipe(Layer.provideMerge(FlowRegistry.layer({ actor: "deploy" })), Layer.provide(store))

const run = Engine.execute(Invoice, { amount: 1000 }).pipe(
  Effect.provide(TaxLive),
  Effect.map(({ tax }) => `tax ${tax}`),
  Effect.catchTag("FlowRefused", ({ message }) => Effect.succeed(`refused: ${message}`))
)

const runNext = Engine.execute(NextInvoice, { amount: 1000 }).pipe(
  Effect.provide(NextTaxLive),
  Effect.map(({ tax }) => `tax ${tax.cents} at ${tax.rate}`)
)

/** What happens to the flow, line by line. */
export const story = Effect.gen(function* () {
  const lines: Array<string> = []
  const first = yield* FlowRegistry.register(Invoice, { reason: "first release" })
  lines.push(`${first.version} is ${first.status}: ${yield* run}`)

  // before the next release goes out: what does it change?
  const report = yield* Drift.detect(first, NextInvoice)
  lines.push(...Drift.render(report).trimEnd().split("\n"))
  yield* FlowRegistry.reportDrift(report.tools, { flow: report.name, reason: "the tax node has changed" })
  lines.push(yield* run)
  // what somebody holds stays what it was
  lines.push(`held: ${first.status}, now: ${(yield* FlowRegistry.get("invoice", "1.0.0")).status}`)

  yield* FlowRegistry.acceptDrift("invoice", { version: "1.0.0", actor: "ann", reason: "nobody reads the rate" })
  lines.push(yield* run)

  yield* FlowRegistry.register(NextInvoice, { reason: "second release" })
  yield* FlowRegistry.setFlowStatus("invoice", { version: "1.0.0", status: "disabled", actor: "ann" })
  lines.push(yield* run, `${(yield* FlowRegistry.get("invoice")).version}: ${yield* runNext}`)

  const audit = yield* Stream.runCollect(FlowRegistry.audit({ name: "invoice" }))
  for (const { action, actor, flow, reason, version } of audit) {
    lines.push(`${action} ${version} by ${actor}: ${flow?.status}${reason === "" ? "" : `, ${reason}`}`)
  }
  return lines
})
