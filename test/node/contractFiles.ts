/** A contract of each kind, with all that it may have. */
export const files = {
  stateMachine: `kind: stateMachine
name: order
version: 2
context:
  type: object
  properties:
    total: { type: integer, minimum: 0 }
    paid: { type: number }
    tags: { type: array, items: { type: string, enum: [new, late] }, maxItems: 5 }
    note: { type: string, minLength: 1, maxLength: 100 }
  required: [total, paid]
initial_context: { total: 100, paid: 0 }
events:
  pay: { amount: { type: number, minimum: 0 } }
  cancel: {}
  fail: { why: { type: any } }
intents:
  receipt: { amount: { type: number } }
  mail: { text: { type: string } }
initial: cart
history: 10
states:
  cart:
    entry:
      - assign: { tags: "['new']" }
    exit:
      - emit: { intent: mail, fields: { text: "'left'" } }
    after: { delay: 15 minutes, to: lost, guard: context.paid == 0, actions: [{ assign: { note: "'late'" } }] }
  paid: { kind: terminal }
  cancelled: { kind: terminal }
  lost: { kind: error }
transitions:
  - from: cart
    on: pay
    to: paid
    guard: context.paid + event.amount >= context.total
    priority: 10
    actions:
      - assign: { paid: context.paid + event.amount }
        emit: { intent: receipt, fields: { amount: context.paid } }
  - from: cart
    on: pay
    actions:
      - assign: { paid: context.paid + event.amount }
  - { from: "*", on: cancel, to: cancelled }
  - { from: "*", on: fail, to: lost }
  - { from: lost, on: cancel, to: cancelled }
`,
  workflow: `kind: workflow
name: fulfil
version: b
mode: batch
batch_size: 2
input:
  type: object
  properties: { title: { type: string }, cents: { type: integer } }
  required: [title]
output: { slug: needs.slug, receipt: needs.charge, notes: "[input.title]" }
steps:
  - { name: slug, kind: compute, node: Slug, input: input.title }
  - name: charge
    kind: effect
    node: Charge
    depends_on: [slug]
    when: input.cents > 0
    input: { cents: input.cents, memo: needs.slug }
    timeout: 5 seconds
    retry: { times: 3, delay: 200 millis, factor: 2, max_delay: 1 second }
    idempotent: true
    priority: 5
  - { name: mail, kind: effect, node: Mail, depends_on: [charge], on_error: skip }
  - { name: score, kind: compute, node: Score, on_error: continue, fallback: { score: 0 } }
  - { name: audit, kind: reducer, node: Audit, enabled: false, depends_on: [mail, score] }
`,
  effect: `kind: effect
name: payments
version: 1
operations:
  charge:
    use: gateway.charge
    input: { type: object, properties: { order: { type: string }, cents: { type: integer } }, required: [order, cents] }
    output: { type: object, properties: { status: { type: string }, id: { type: any } } }
    timeout: 5 seconds
    idempotency_key: input.order
    retry: { times: 3, delay: 200 millis, factor: 2 }
    breaker:
      failure_threshold: 3
      failure_rate: 0.5
      slow_rate: 0.9
      slow_after: 2 seconds
      window: { calls: 20 }
      minimum_calls: 10
      reset_after: 30 seconds
      half_open_probes: 2
      close_after: 2
    success: [output.status == 'paid', exists output.id]
  ping: { use: gateway.ping, idempotent: true, retry: { times: 1 }, breaker: { slow_rate: 1, window: { duration: 1 minute } } }
`,
  compute: `kind: compute
name: cheapest
version: 3
input:
  type: array
  items:
    type: object
    properties: { id: { type: string }, price: { type: number }, qty: { type: integer }, extra: { type: any } }
    required: [id, price, qty]
  minItems: 1
output: { type: array, items: { type: object, properties: { id: { type: string }, total: { type: number } } } }
pipeline:
  - { do: validate, when: value.qty >= 0, message: a quantity is negative }
  - { do: filter, when: value.qty > 0 }
  - { do: omit, fields: [extra] }
  - { do: rename, fields: { id: name } }
  - { do: set, fields: { total: value.price * value.qty } }
  - { do: sort, by: value.total, order: descending }
  - { do: unique, by: value.name }
  - { do: skip, count: 0 }
  - { do: take, count: 3 }
  - { do: map, to: { id: value.name, total: value.total, first: "input[0].id" } }
  - { do: pick, fields: [id, total] }
`
} as const
