/**
 * For each thing that can be wrong with a contract, a file that has it. `▸` is no part of the file: it stands before each
 * place of a fault. Behind it are the path and the kind of each fault, in the order of the file.
 */
export const wrong: ReadonlyArray<readonly [name: string, text: string, ...faults: ReadonlyArray<string>]> = [
  ["nothing at all", "▸", "WrongType"],
  ["no object", `▸- 1`, "WrongType"],
  ["no kind", `▸name: a`, "MissingField"],
  [
    "an unknown kind",
    `name: a
kind: ▸stateMachin`,
    "kind InvalidValue"
  ],
  ["no YAML", `kind: [a, ▸}`, "Syntax"],
  ["a tag that is unknown", `kind: ▸!date 2020`, "Syntax"],
  [
    "two documents",
    `kind: compute
▸---
kind: compute`,
    "Syntax"
  ],
  [
    "a key twice",
    `{"kind": "compute", "name": "a",
 "pipeline": [],
 ▸"name": "b"}`,
    "name DuplicateKey"
  ],
  [
    "a key twice, below",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
states:
  closed: {}
  ▸closed: {}
transitions: []
`,
    "states.closed DuplicateKey"
  ],
  [
    "a reserved key",
    `kind: compute
name: a
pipeline: []
▸__proto__: 1`,
    "InvalidValue"
  ],
  [
    "a key that is none",
    `kind: compute
name: a
pipeline: []
? ▸[b]
: 1`,
    "InvalidValue"
  ],
  [
    "a number that JSON has not",
    `kind: compute
name: a
pipeline: ▸.inf`,
    "pipeline InvalidValue"
  ],
  [
    "an alias of nothing",
    `kind: compute
name: ▸*a
pipeline: []`,
    "name InvalidValue"
  ],
  [
    "an alias within itself",
    `kind: compute
name: a
pipeline: &p [▸*p]`,
    "pipeline.0 InvalidValue"
  ],
  [
    "an unknown field",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
▸color: red
states: { closed: {} }
transitions: []`,
    "color UnknownField"
  ],
  [
    "a missing field",
    `▸kind: compute
pipeline: []`,
    "MissingField"
  ],
  [
    "a wrong type",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
history: ▸many
states: { closed: {} }
transitions: []`,
    "history WrongType"
  ],
  [
    "a number out of range",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
history: ▸-1
states: { closed: {} }
transitions: []`,
    "history OutOfRange"
  ],
  [
    "a priority that is no whole number",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
states: { closed: {} }
transitions:
  - from: closed
    on: open
    priority: ▸1.5`,
    "transitions.0.priority OutOfRange"
  ],
  [
    "a name that is none",
    `kind: compute
name: ▸a b
pipeline: []`,
    "name InvalidValue"
  ],
  [
    "a duration that is none",
    `kind: workflow
name: publish
steps:
  - { name: a, kind: compute, node: A, timeout: ▸soon }`,
    "steps.0.timeout InvalidValue"
  ],
  [
    "a duration that is too long",
    `kind: workflow
name: publish
steps:
  - { name: a, kind: compute, node: A, timeout: ▸60 days }`,
    "steps.0.timeout OutOfRange"
  ],
  [
    "an unknown state",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
states:
  closed:
    after: { delay: 1 second, to: ▸opend }
transitions:
  - { from: ▸close, on: open, to: ▸opened }`,
    "states.closed.after.to UnknownState",
    "transitions.0.from UnknownState",
    "transitions.0.to UnknownState"
  ],
  [
    "an unknown initial state",
    `kind: stateMachine
name: a
events: {}
initial: ▸b
states: { c: {} }
transitions: []`,
    "initial UnknownState"
  ],
  [
    "no states",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
states: ▸{}
transitions: []`,
    "states MissingField"
  ],
  [
    "a state that is not reached",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
states:
  closed: {}
  ▸open: {}
  ▸lost: {}
transitions:
  - { from: lost, on: open, to: open }`,
    "states.open UnreachableState",
    "states.lost UnreachableState"
  ],
  [
    "a transition twice",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
states: { closed: {}, open: {} }
transitions:
  - { from: closed, on: close, to: open, guard: event.by == 'me' }
  - ▸{ from: closed, on: close, guard: "(event.by=='me')", priority: 3 }`,
    "transitions.1 DuplicateTransition"
  ],
  [
    "a transition that is never taken",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
states: { closed: {}, open: {} }
transitions:
  - { from: closed, on: close, to: open }
  - ▸{ from: closed, on: close, guard: event.by == 'me' }`,
    "transitions.1 ShadowedTransition"
  ],
  [
    "an edge out of a terminal state",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
states:
  closed: {}
  open: { kind: terminal, after: ▸{ delay: 5, to: closed } }
transitions:
  - { from: closed, on: open, to: open }
  - { from: ▸open, on: close, to: closed }`,
    "states.open.after EdgeOutOfTerminal",
    "transitions.1.from EdgeOutOfTerminal"
  ],
  [
    "an unknown event",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
states: { closed: {} }
transitions:
  - { from: closed, on: ▸opened, guard: event.x == 1 }`,
    "transitions.0.on UnknownEvent"
  ],
  [
    "an unknown intent",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
states: { closed: { entry: [{ emit: { intent: ▸ring } }] } }
transitions: []`,
    "states.closed.entry.0.emit.intent UnknownIntent"
  ],
  [
    "fields that an intent does not have, and one that it has",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
intents: { ring: { times: { type: integer } } }
states: { closed: { entry: [{ emit: ▸{ intent: ring, fields: { ▸time: 1 } } }] } }
transitions: []`,
    "states.closed.entry.0.emit MissingField",
    "states.closed.entry.0.emit.fields.time UnknownField"
  ],
  [
    "a context that does not have its shape",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
context: { type: object, properties: { n: { type: integer, maximum: 3 } } }
initial_context: { n: ▸4, ▸m: 1 }
states: { closed: {} }
transitions: []`,
    "initial_context.n OutOfRange",
    "initial_context.m UnknownField"
  ],
  [
    "a context without what must be there",
    `▸kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
context:
  type: object
  properties: { n: { type: integer } }
  required: [n]
states: { closed: {} }
transitions: []`,
    "initial_context MissingField"
  ],
  [
    "an entry into the initial state that does not fit",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
context: { type: object, properties: { n: { type: integer, maximum: 3 } } }
states: { closed: { entry: ▸[{ assign: { n: 2 + 2 } }] } }
transitions: []`,
    "states.closed.entry InvalidValue"
  ],
  [
    "shapes that nothing fits",
    `kind: compute
name: a
pipeline: []
input:
  type: object
  properties: { a: { type: string, minLength: 3, maxLength: ▸2 } }
  required: [▸b]`,
    "input.properties.a.maxLength OutOfRange",
    "input.required.0 UnknownField"
  ],
  [
    "a shape that is none",
    `kind: compute
name: a
pipeline: []
input: { type: ▸text }`,
    "input.type WrongType"
  ],
  [
    "expressions that are none",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
context: { type: object, properties: { n: { type: integer } } }
states: { closed: { entry: [{ assign: { n: 'context.n +▸' } }] } }
transitions:
  - { from: closed, on: open, guard: context.n >▸ }`,
    "states.closed.entry.0.assign.n Expression",
    "transitions.0.guard Expression"
  ],
  [
    "operators that there are not",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
context: { type: object, properties: { n: { type: integer } } }
states: { closed: {} }
transitions:
  - { from: closed, on: open, guard: context.n > 1 ▸&& true }
  - from: closed
    on: open
    guard: context.n ▸= 2`,
    "transitions.0.guard UnsupportedOperator",
    "transitions.1.guard UnsupportedOperator"
  ],
  [
    "paths that lead nowhere",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
context: { type: object, properties: { n: { type: integer } } }
states: { closed: { entry: [{ assign: { m: ▸event.by } }] } }
transitions:
  - { from: closed, on: close, guard: ▸event.who == 'me' and input.n == 1 }`,
    "states.closed.entry.0.assign.m UnknownPath",
    "states.closed.entry.0.assign.m UnknownPath",
    "transitions.0.guard UnknownPath",
    "transitions.0.guard UnknownPath"
  ],
  [
    "guards that are always false",
    `kind: stateMachine
name: door
events: { open: {}, close: { by: { type: string } } }
initial: closed
context: { type: object, properties: { n: { type: integer }, s: { type: string, enum: [a, b] }, l: { type: array, items: { type: string } } } }
states: { closed: {} }
transitions:
  - { from: closed, on: open, guard: ▸context.n == '1' }
  - { from: closed, on: open, guard: ▸context.s == 'c' }
  - { from: closed, on: open, guard: ▸context.n in context.l }
  - { from: closed, on: open, guard: ▸context.s }
  - { from: closed, on: open, guard: ▸context.l < 3 }
  - { from: closed, on: open, guard: ▸"context.s in ['x']" }`,
    "transitions.0.guard NeverComparable",
    "transitions.1.guard NeverComparable",
    "transitions.2.guard NeverComparable",
    "transitions.3.guard NeverComparable",
    "transitions.4.guard NeverComparable",
    "transitions.5.guard NeverComparable"
  ],
  [
    "a step twice",
    `kind: workflow
name: publish
steps:
  - { name: a, kind: compute, node: A }
  - { name: ▸a, kind: compute, node: A }`,
    "steps.1.name DuplicateName"
  ],
  [
    "no steps",
    `kind: workflow
name: publish
steps:
  ▸[]`,
    "steps InvalidValue"
  ],
  [
    "a reserved name",
    `kind: workflow
name: publish
steps:
  - { name: ▸result, kind: compute, node: A }`,
    "steps.0.name InvalidValue"
  ],
  [
    "a missing dependency",
    `kind: workflow
name: publish
steps:
  - { name: a, kind: compute, node: A, depends_on: [b, ▸c] }
  - { name: b, kind: compute, node: A }`,
    "steps.0.depends_on.1 MissingDependency"
  ],
  [
    "a dependency twice",
    `kind: workflow
name: publish
steps:
  - { name: a, kind: compute, node: A, depends_on: [b, ▸b] }
  - { name: b, kind: compute, node: A }`,
    "steps.0.depends_on.1 DuplicateName"
  ],
  [
    "steps that wait for each other",
    `kind: workflow
name: publish
steps:
  - { name: a, kind: compute, node: A }
  - { name: b, kind: compute, node: A, depends_on: ▸[a, d] }
  - { name: c, kind: compute, node: A, depends_on: [b] }
  - { name: d, kind: compute, node: A, depends_on: [c] }
  - { name: e, kind: compute, node: A, depends_on: ▸[e] }`,
    "steps.1.depends_on Cycle",
    "steps.4.depends_on Cycle"
  ],
  [
    "an unknown node, and one of another kind",
    `kind: workflow
name: publish
steps:
  - { name: a, kind: compute, node: ▸Slag }
  - { name: b, kind: ▸effect, node: Slug }`,
    "steps.0.node UnknownNode",
    "steps.1.kind OtherKind"
  ],
  [
    "what a step does not see",
    `kind: workflow
name: publish
input: { type: object, properties: { title: { type: string } } }
steps:
  - { name: a, kind: compute, node: Slug, input: { t: ▸input.titel, u: [▸needs.b] } }
  - { name: b, kind: compute, node: Slug, depends_on: [a], when: ▸needs.c }`,
    "steps.0.input.t UnknownPath",
    "steps.0.input.u.0 UnknownPath",
    "steps.1.when UnknownPath"
  ],
  [
    "fields without effect",
    `kind: workflow
name: publish
batch_size: ▸3
steps:
  - { name: a, kind: compute, node: Slug, fallback: ▸1 }
  - ▸{ name: b, kind: compute, node: Slug, on_error: continue }
  - { name: c, kind: compute, node: Slug, idempotent: ▸true }`,
    "batch_size Conflict",
    "steps.0.fallback Conflict",
    "steps.1 MissingField",
    "steps.2.idempotent Conflict"
  ],
  [
    "retries of what may not be done twice",
    `kind: workflow
name: publish
steps:
  - { name: a, kind: effect, node: Pay, retry: ▸{ times: 2 } }`,
    "steps.0.retry Conflict"
  ],
  [
    "a batch of no size",
    `▸kind: workflow
name: publish
mode: batch
steps:
  - { name: a, kind: compute, node: Slug }`,
    "MissingField"
  ],
  [
    "an operation that is retried although it may not",
    `kind: effect
name: a
operations:
  pay:
    use: pay
    retry: ▸{ times: 3 }
    success: [output.ok, input.x ▸= 1]
    breaker: { failure_rate: ▸1.5, half_open_probes: ▸0, slow_after: ▸3 }`,
    "operations.pay.retry Conflict",
    "operations.pay.success.1 UnsupportedOperator",
    "operations.pay.breaker.failure_rate OutOfRange",
    "operations.pay.breaker.half_open_probes OutOfRange",
    "operations.pay.breaker.slow_after Conflict"
  ],
  [
    "no operations",
    `▸kind: effect
name: a
operations: {}`,
    "MissingField"
  ],
  [
    "an unknown transformation, and what others do not take",
    `kind: compute
name: a
pipeline:
  - { do: ▸fly }
  - ▸{ fields: [a] }
  - ▸{ do: pick, ▸field: [a] }
  - { do: take, count: ▸-1 }
  - { do: filter, when: ▸valeu.x }
  - { do: rename, fields: { a: c, b: ▸c } }
  - ▸3`,
    "pipeline.0.do WrongType",
    "pipeline.1 MissingField",
    "pipeline.2 MissingField",
    "pipeline.2.field UnknownField",
    "pipeline.3.count OutOfRange",
    "pipeline.4.when UnknownPath",
    "pipeline.5.fields.b DuplicateName",
    "pipeline.6 WrongType"
  ],
  [
    "a context that is no object",
    `kind: stateMachine
name: a
events: {}
initial: b
context: { type: ▸array, items: { type: any, ▸of: 3 } }
initial_context: []
states: { b: {} }
transitions: []`,
    "context.type WrongType",
    "context.items.of UnknownField"
  ],
  [
    "an action that does nothing",
    `kind: stateMachine
name: a
events: {}
initial: b
states: { b: { exit: [▸{}] } }
transitions: []`,
    "states.b.exit.0 InvalidValue"
  ]
]
