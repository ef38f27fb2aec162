/** What contracts of effects and computations must say of themselves. */
import { Problem } from "../ContractFault.js"
import { any, type Scope } from "./ContractScope.js"
import * as Rules from "./ContractRules.js"

const declared = (view: Rules.View) => (view.value === undefined ? any : Rules.shape(view))

export const checkEffect = (contract: Rules.View, context: Rules.Context): void => {
  const { report } = context
  const operations = Rules.entries(Rules.field(contract, "operations"))
  if (operations.length === 0) report(contract.path, Problem.MissingField({ field: "an operation" }))
  for (const [, operation] of operations) {
    const scope: Scope = {
      input: declared(Rules.field(operation, "input")),
      output: declared(Rules.field(operation, "output"))
    }
    for (const key of ["input", "output"]) Rules.shapeFaults(Rules.field(operation, key), context)
    for (const success of Rules.items(Rules.field(operation, "success"))) Rules.condition(success, scope, context)
    const key = Rules.field(operation, "idempotency_key")
    Rules.template(key, { input: scope["input"]! }, context)
    const retry = Rules.field(operation, "retry")
    const idempotent = Rules.field(operation, "idempotent")
    if (retry.value !== undefined && key.value === undefined && idempotent.value !== true) {
      const reason =
        "an operation is retried only with `idempotent: true` or an `idempotency_key`: give one, or remove `retry`"
      report(retry.path, Problem.Conflict({ reason }))
    }
    if (idempotent.value !== undefined && retry.value === undefined)
      report(idempotent.path, Problem.Conflict({ reason: "`idempotent` is for operations with `retry`: remove it" }))
    const breaker = Rules.field(operation, "breaker")
    const slowAfter = Rules.field(breaker, "slow_after")
    if (slowAfter.value !== undefined && Rules.field(breaker, "slow_rate").value === undefined)
      report(slowAfter.path, Problem.Conflict({ reason: "`slow_after` is for breakers with a `slow_rate`: remove it" }))
    const rates = ["failure_rate", "slow_rate"].some((rate) => Rules.field(breaker, rate).value !== undefined)
    for (const name of ["window", "minimum_calls"]) {
      const option = Rules.field(breaker, name)
      if (option.value !== undefined && !rates)
        report(option.path, Problem.Conflict({ reason: `\`${name}\` is for breakers with a rate: remove it` }))
    }
  }
}

export const checkCompute = (contract: Rules.View, context: Rules.Context): void => {
  for (const key of ["input", "output"]) Rules.shapeFaults(Rules.field(contract, key), context)
  const scope: Scope = { value: any, input: declared(Rules.field(contract, "input")) }
  for (const transformation of Rules.items(Rules.field(contract, "pipeline"))) {
    Rules.condition(Rules.field(transformation, "when"), scope, context)
    const name = Rules.field(transformation, "do").value
    for (const key of ["by", "to"]) Rules.template(Rules.field(transformation, key), scope, context)
    const fields = Rules.field(transformation, "fields")
    if (name === "set") Rules.template(fields, scope, context)
    if (name !== "rename") continue
    const taken = new Map<string, Rules.View>()
    for (const [, to] of Rules.entries(fields)) {
      const renamed = Rules.text(to)
      if (renamed === undefined) continue
      const before = taken.get(renamed)
      if (before === undefined) taken.set(renamed, to)
      else context.report(to.path, Problem.DuplicateName({ name: renamed, first: context.line(before.path) }))
    }
  }
}
