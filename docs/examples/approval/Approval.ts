/** The approval of an order as a Dag. Amounts are in cents. */
import { Cause, Console, Effect, Exit, Option, Schema, type Duration } from "effect"
import { Dag, Module, Run, Shared } from "heddle"

/** No line may be larger. */
const largest = 5_000_00

export const euros = (cents: number) => (cents / 100).toFixed(2)

/** What modules say goes to the process that runs them. */
const say = (text: string) => Effect.flatMap(Run.id, (runId) => Console.log(`${runId}: ${text}`))

class LineRefused extends Schema.TaggedError<LineRefused>()("LineRefused", {
  line: Schema.Int,
  cents: Schema.Int
}) {
  override get message() {
    return `line ${this.line} is too large: ${euros(this.cents)} is more than ${euros(largest)}`
  }
}

/** Who decided, and how. */
const Decision = Schema.Struct({ approved: Schema.Boolean, by: Schema.String })

const lines = Module.input("lines", Schema.Array(Schema.Int.pipe(Schema.positive())))
/** Up to this amount nobody has to be asked. */
const automatic = Module.input("automatic", Schema.Int)
/** For how long an order that was approved can still be cancelled. */
const grace = Module.input("grace", Schema.DurationFromMillis)

const totals = Shared.make("totals", { lines: Shared.cell(Schema.Int, 0), cents: Shared.cell(Schema.Int, 0) })

const checked = Module.map("checked", {
  needs: { lines },
  over: ({ lines }) => lines,
  output: Schema.Int,
  error: LineRefused,
  run: (line, _, index) =>
    Effect.gen(function* () {
      if (line > largest) return yield* new LineRefused({ line: index + 1, cents: line })
      yield* Shared.update(totals, ({ cents, lines }) => ({ cents: cents + line, lines: lines + 1 }))
      yield* say(`line ${index + 1} is fine: ${euros(line)}`)
      return line
    })
})

const total = Module.make("total", {
  needs: { checked },
  output: Schema.Int,
  run: () => Shared.get(totals, "cents")
})

const size = Module.route("size", {
  needs: { total, automatic },
  branches: ["small", "large"],
  choose: ({ automatic, total }) => (total <= automatic ? "small" : "large")
})

const rule = Module.pure("rule", {
  when: size.is("small"),
  output: Decision,
  run: () => ({ approved: true, by: "the rule for small orders" })
})

const reasonOf = (cause: Cause.Cause<{ readonly message: string }>) =>
  Option.match(Cause.failureOption(cause), { onNone: () => "a defect", onSome: ({ message }) => message })

/**
 * The Dag, and the signal for which it waits. `timeout`: how long a person has to decide. It may differ from process to
 * process: the deadline is stored when the wait begins.
 */
export const make = (timeout: Duration.Duration) => {
  const approval = Module.signal("approval", {
    when: size.is("large"),
    value: Decision,
    timeout,
    onTimeout: () => ({ approved: false, by: "nobody, in time" })
  })

  const decision = Module.pure("decision", {
    needs: { rule, approval },
    // one of them is skipped; both are when a line was refused, and then so is this
    join: "anySucceeded",
    output: Decision,
    run: ({ approval, rule }) => Option.getOrThrow(Option.orElse(rule, () => approval))
  })

  const verdict = Module.route("verdict", {
    needs: { decision },
    branches: ["ship", "drop"],
    choose: ({ decision }) => (decision.approved ? "ship" : "drop")
  })

  const pause = Module.sleep("pause", {
    when: verdict.is("ship"),
    needs: { grace },
    duration: ({ grace }) => grace
  })

  const shipment = Module.make("shipment", {
    needs: { pause },
    output: Schema.String,
    run: () =>
      Effect.gen(function* () {
        const lines = yield* Shared.get(totals, "lines")
        const cents = yield* Shared.get(totals, "cents")
        return `${lines} lines for ${euros(cents)}`
      })
  })

  /** Whatever happened, the customer is told. */
  const notice = Module.make("notice", {
    needs: { checked, decision, shipment },
    join: "always",
    output: Schema.String,
    run: ({ checked, decision, shipment }) => {
      const text = Exit.isSuccess(shipment)
        ? `shipped: ${shipment.value}`
        : Exit.isSuccess(decision) && !decision.value.approved
          ? `rejected by ${decision.value.by}`
          : Exit.isFailure(checked)
            ? `not accepted: ${reasonOf(checked.cause)}`
            : "called off"
      return Effect.as(say(text), text)
    }
  })

  return { approval, dag: Dag.make("approval", { outputs: { decision, shipment, notice }, shared: [totals] }) }
}
