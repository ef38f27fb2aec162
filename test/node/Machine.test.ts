import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc, Option, Schema } from "effect"
import * as Machine from "heddle/node/Machine"
import { numRuns } from "../numRuns.js"

const Context = Schema.Struct({ n: Schema.Int, log: Schema.Array(Schema.String) })
type Context = typeof Context.Type
type Event = { readonly _tag: string; readonly by: number }

/** Whatever an action does says so in the log. The last three kinds are faults, for some contexts. */
const actionOf = (label: string, kind: number, k: number): Machine.Action<Context, any, any> => ({
  name: label,
  ...(kind === 0
    ? {}
    : {
        update: ({ log, n }: Context, event: Event | Machine.Occurrence) => {
          if (kind === 4 && n % 3 === 0) throw new Error(`${label} threw`)
          const by = "by" in event ? event.by : 1
          return { n: kind === 3 && n % 4 === 0 ? 0.5 : n + by + k, log: [...log.slice(-9), label] }
        }
      }),
  ...(kind < 2 || kind === 5
    ? { emit: ({ n }: Context) => [{ _tag: "Did", what: label, n: kind === 5 && n % 4 === 0 ? 0.5 : n }] }
    : {})
})

const guardOf = (name: string, k: number): Machine.Guard<Context, Event> => ({
  name,
  test: ({ n }, { by }) => (n + by) % 3 !== k
})

const Shape = fc.record({
  states: fc.array(
    fc.record({
      kind: fc.constantFrom(undefined, undefined, undefined, "terminal" as const, "error" as const),
      entry: fc.array(fc.nat(5), { maxLength: 2 }),
      exit: fc.array(fc.nat(5), { maxLength: 2 }),
      after: fc.option(fc.record({ delay: fc.integer({ min: 1, max: 20 }), to: fc.nat(4), guarded: fc.boolean() }))
    }),
    { minLength: 1, maxLength: 5 }
  ),
  transitions: fc.array(
    fc.record({
      from: fc.nat(5),
      on: fc.nat(2),
      to: fc.nat(5),
      guard: fc.option(fc.nat(2)),
      priority: fc.integer({ min: -1, max: 1 }),
      actions: fc.array(fc.nat(5), { maxLength: 2 })
    }),
    { maxLength: 14 }
  ),
  history: fc.integer({ min: 0, max: 4 })
})

/** A definition with whatever faults it has. */
const definitionOf = ({ history, states, transitions }: typeof Shape extends fc.Arbitrary<infer A> ? A : never) => {
  const name = (n: number) => `s${n % states.length}`
  const actions = (label: string, kinds: ReadonlyArray<number>) =>
    kinds.map((kind, i) => actionOf(`${label}#${i}`, kind, i))
  return {
    id: "test/random",
    context: Context,
    events: { E0: { by: Schema.Int }, E1: { by: Schema.Int }, E2: { by: Schema.Int } } as Machine.Tags,
    intents: { Did: { what: Schema.String, n: Schema.Int } } as Machine.Tags,
    initial: "s0",
    initialContext: { n: 1, log: [] },
    history,
    states: Object.fromEntries(
      states.map(({ after, entry, exit, kind }, i): [string, Machine.State<string, Context, any, any>] => [
        name(i),
        {
          kind,
          entry: i === 0 ? [] : actions(`enter ${name(i)}`, entry),
          exit: actions(`exit ${name(i)}`, exit),
          ...(after === null
            ? {}
            : {
                after: {
                  delay: after.delay,
                  to: name(after.to),
                  ...(after.guarded ? { guard: { name: "on time", test: ({ n }: Context) => n % 2 === 0 } } : {}),
                  actions: [actionOf(`after ${name(i)}`, 1, 0)]
                }
              })
        }
      ])
    ),
    transitions: transitions.map(({ actions: kinds, from, guard, on, priority, to }, i) => ({
      from: from === 5 ? "*" : name(from),
      on: `E${on}`,
      ...(to === 5 ? {} : { to: name(to) }),
      ...(guard === null ? {} : { guard: guardOf(`g${guard}`, guard) }),
      ...(priority === 0 ? {} : { priority }),
      actions: actions(`take ${i}`, kinds)
    }))
  }
}
type Drawn = ReturnType<typeof definitionOf>

/** Takes out what `check` says is wrong, until nothing is. */
const sound = (drawn: Drawn): Drawn => {
  const faults = Machine.check(drawn)
  if (faults.length === 0) return drawn
  const out = new Set<unknown>()
  const states = { ...drawn.states }
  for (const { path } of faults) {
    if (path[0] === "transitions") out.add(path[1])
    else if (path[0] === "states" && path[2] === "after") {
      const { after: _, ...state } = states[path[1]!] ?? {}
      if (path[1]! in states) states[path[1]!] = state
    } else if (path[0] === "states") delete states[path[1]!]
    else assert.fail(Machine.message(faults[0]!))
  }
  return sound({ ...drawn, states, transitions: drawn.transitions.filter((_, i) => !out.has(i)) })
}

interface World {
  state: string
  context: Context
  seq: number
  due: number | null
  history: Array<Machine.Entry>
  pending: Array<Machine.Issued<unknown>>
}

/** A naive interpreter of the definition itself: it changes the world in place, and gives what went wrong. */
const interpret = (drawn: Drawn, world: World, event: { readonly _tag: string }, at: number): unknown => {
  const here = drawn.states[world.state]!
  const timed = event._tag === "@after"
  if (here.kind === "terminal") return "terminal"
  interface Candidate {
    readonly from: string
    readonly to?: string | undefined
    readonly priority?: number
    readonly guard?: Machine.Guard<Context, any> | undefined
    readonly actions?: ReadonlyArray<Machine.Action<Context, any, any>> | undefined
  }
  let left: ReadonlyArray<Candidate> = timed
    ? [{ ...here.after!, from: world.state }]
    : drawn.transitions.filter(
        ({ from, on }) => on === event._tag && (from === world.state || (from === "*" && here.kind !== "error"))
      )
  if (left.length === 0) return "noTransition"
  const rank = (t: { readonly from: string; readonly priority?: number }) =>
    (t.from === "*" ? 0 : 1000) + (t.priority ?? 0)
  const no: Array<string> = []
  while (left.length > 0) {
    let best: Candidate = left[0]!
    for (const other of left) if (rank(other) > rank(best)) best = other
    if (best.guard !== undefined && !best.guard.test(world.context, event)) {
      no.push(best.guard.name)
      left = left.filter((other) => other !== best)
      continue
    }
    const { to } = best
    const steps = [
      ...(to === undefined ? [] : (here.exit ?? [])),
      ...(best.actions ?? []),
      ...(to === undefined ? [] : (drawn.states[to]!.entry ?? []))
    ]
    let context = world.context
    const emitted: Array<any> = []
    for (const { emit, name, update } of steps) {
      try {
        if (update) context = update(context, event)
      } catch {
        return `threw ${name}`
      }
      if (emit) emitted.push(...emit(context, event))
    }
    if (!Number.isInteger(context.n)) return "contextInvalid"
    if (emitted.some(({ n }) => !Number.isInteger(n))) return "intentInvalid"
    world.seq++
    const issued = emitted.map((intent, i) => ({ id: `test/random:k:${world.seq}:${i}`, intent }))
    world.history.push({
      ...{ seq: world.seq, at, event: event._tag, from: world.state, to: to ?? world.state },
      intents: issued.map(({ id }) => id)
    })
    while (world.history.length > drawn.history) world.history.shift()
    world.pending.push(...issued)
    world.context = context
    if (to !== undefined) {
      world.state = to
      const delay = drawn.states[to]!.after?.delay
      world.due = delay === undefined ? null : at + (delay as number)
    }
    return undefined
  }
  return no
}

const saidOf = (error: Machine.StepError) =>
  error._tag === "TransitionFailed"
    ? `threw ${JSON.parse(error.name)}`
    : error.reason === "guards"
      ? error.guards
      : error.reason

const made = (drawn: Drawn) =>
  Machine.make(drawn as unknown as Machine.Definition<string, Context, Machine.Tags, Machine.Tags>)

const Events = fc.array(
  fc.record({ on: fc.nat(3), by: fc.integer({ min: -2, max: 2 }), wait: fc.constantFrom(0, 0, 0, 3, 25) }),
  { maxLength: 40 }
)

describe("a machine", () => {
  it("does what a naive interpreter does, whatever the definition and the events", () => {
    let taken = 0
    fc.assert(
      fc.property(Shape, Events, (shape, events) => {
        const drawn = sound(definitionOf(shape))
        const machine = made(drawn)
        let snapshot = Either.getOrThrow(Machine.start(machine, "k", 0))
        const world: World = {
          ...{ state: "s0", context: { n: 1, log: [] }, seq: 0, due: snapshot.due, history: [], pending: [] }
        }
        const delay = drawn.states.s0!.after?.delay
        assert.strictEqual(world.due, delay === undefined ? null : delay)
        const same = () =>
          assert.deepStrictEqual(snapshot, { ...world, machine: machine.id, key: "k" } as typeof snapshot)
        let at = 0
        for (const { by, on, wait } of events) {
          at += wait
          const elapsed = Machine.elapse(machine, snapshot, at)
          assert.strictEqual(elapsed !== undefined, world.due !== null && world.due <= at)
          if (elapsed !== undefined) {
            const wrong = interpret(drawn, world, { _tag: "@after" }, at)
            if (wrong !== undefined) world.due = null
            assert.deepStrictEqual(
              Either.match(elapsed.step, { onLeft: saidOf, onRight: () => undefined }),
              wrong as never
            )
            snapshot = elapsed.snapshot
            same()
          }
          const event = { _tag: `E${on}`, by }
          const before = snapshot
          const step = Machine.transition(machine, snapshot, event, at)
          const wrong = interpret(drawn, world, event, at)
          if (Either.isRight(step)) {
            taken++
            assert.isUndefined(wrong)
            snapshot = step.right.snapshot
            assert.deepStrictEqual(
              step.right.intents.map(({ id }) => id),
              [...step.right.entry.intents]
            )
          } else assert.deepStrictEqual(saidOf(step.left), wrong as never)
          same()
          if (Either.isLeft(step)) assert.strictEqual(snapshot, before)
        }
        // what it became is what is stored of it
        const encoded: unknown = JSON.parse(JSON.stringify(Schema.encodeSync(Machine.snapshot(machine))(snapshot)))
        assert.deepStrictEqual(Schema.decodeUnknownSync(Machine.snapshot(machine))(encoded), snapshot)
      }),
      { numRuns: numRuns * 3 }
    )
    assert.isAbove(taken, numRuns, "the machines do take transitions")
  })

  it("is frozen, as is all that it gives", () => {
    fc.assert(
      fc.property(Shape, (shape) => {
        const machine = made(sound(definitionOf(shape)))
        const frozen = (value: unknown): void => {
          if (typeof value !== "object" || value === null || Schema.isSchema(value)) return
          assert.isFrozen(value)
          for (const inner of Object.values(value)) frozen(inner)
        }
        for (const part of [machine.states, machine.transitions, machine.initialContext]) frozen(part)
        assert.isFrozen(machine)
        frozen(Either.getOrThrow(Machine.start(machine, "k", 0)))
      }),
      { numRuns }
    )
  })
})

describe("a context that cannot be frozen", () => {
  const dated = Machine.make({
    id: "test/dated",
    context: Schema.Struct({ since: Schema.Date }),
    events: { Go: {}, Set: {} },
    initial: "a",
    initialContext: { since: new Date(0) },
    states: { a: {} },
    transitions: [
      { from: "a", on: "Go", guard: { name: "spoils", test: ({ since }) => since.setTime(1) === 0 }, priority: 1 },
      { from: "a", on: "Go", guard: { name: "is as it was", test: ({ since }) => since.getTime() === 0 } },
      {
        from: "a",
        on: "Set",
        actions: [
          {
            update: (context) => {
              context.since.setTime(2)
              return context
            }
          }
        ]
      }
    ]
  })
  const begun = () => Either.getOrThrow(Machine.start(dated, "k", 0))

  it("is not the one of the machine, nor changed by guards and actions", () => {
    begun().context.since.setTime(3)
    dated.initialContext.since.setTime(3)
    assert.deepStrictEqual(dated.initialContext, { since: new Date(0) })
    const snapshot = begun()
    const gone = Machine.transition(dated, snapshot, { _tag: "Go" }, 1)
    assert.deepStrictEqual(Either.getOrThrow(gone).snapshot.context, { since: new Date(0) })
    const set = Machine.transition(dated, snapshot, { _tag: "Set" }, 1)
    assert.deepStrictEqual(Either.getOrThrow(set).snapshot.context, { since: new Date(2) })
    assert.deepStrictEqual(snapshot.context, { since: new Date(0) })
  })

  it("is refused where it does not fit its schema", () => {
    const snapshot = { ...begun(), context: { since: 5 as unknown as Date } }
    const refused = Machine.transition(dated, snapshot, { _tag: "Go" }, 1)
    assert.deepInclude(Either.getOrThrow(Either.flip(refused)), { _tag: "TransitionRefused", reason: "contextInvalid" })
  })
})

/** What all of these machines have. */
const base = {
  id: "test/small",
  context: Schema.Struct({ n: Schema.Int }),
  events: { Go: {}, Back: {} },
  intents: { Say: { text: Schema.String } },
  initial: "a",
  initialContext: { n: 0 },
  states: { a: {}, b: {} },
  transitions: [{ from: "a", on: "Go", to: "b" }]
} satisfies Machine.AnyDefinition

const faults = (changes: Partial<Machine.AnyDefinition>) =>
  Machine.check({ ...base, ...changes }).map(({ _tag, path }) => `${_tag} ${path.join(".")}`)

const yes = { name: "yes", test: () => true }
const no = { name: "no", test: () => false }

describe("a definition", () => {
  it("has all its faults reported at once, each with its path", () => {
    assert.deepStrictEqual(faults({}), [])
    assert.deepStrictEqual(
      faults({
        id: "a:b",
        history: -1,
        events: { Go: {}, "@go": {}, Two: { _tag: Schema.String } },
        initialContext: { n: "none" },
        states: {
          a: { after: { delay: 0, to: "nowhere" } },
          b: {},
          "*": {},
          end: { kind: "terminal", after: { delay: "1 second", to: "a" } },
          lost: {}
        },
        transitions: [
          { from: "a", on: "Go", to: "end", guard: yes },
          { from: "a", on: "Go", to: "b", priority: 1 },
          { from: "a", on: "Go", to: "a", guard: yes },
          { from: "end", on: "Go", to: "a" },
          { from: "c", on: "Stop", to: "d", priority: NaN }
        ]
      }),
      [
        "InvalidName id",
        "InvalidOption history",
        "InvalidName events.@go",
        "InvalidName events.Two._tag",
        "UnreachableState states.*",
        "UnreachableState states.lost",
        "UnknownState states.a.after.to",
        "InvalidOption states.a.after.delay",
        "InvalidName states.*",
        "EdgeOutOfTerminal states.end.after",
        "EdgeOutOfTerminal transitions.3.from",
        "UnknownState transitions.4.from",
        "UnknownState transitions.4.to",
        "UnknownEvent transitions.4.on",
        "InvalidOption transitions.4.priority",
        "DuplicateTransition transitions.2",
        "ShadowedTransition transitions.0",
        "InvalidInitial initialContext"
      ]
    )
  })

  it("is refused where it begins nowhere", () => {
    assert.deepStrictEqual(faults({ initial: "" }), ["MissingInitial initial"])
    assert.deepStrictEqual(faults({ initial: undefined as never }), ["MissingInitial initial"])
    assert.deepStrictEqual(faults({ initial: "c" }), ["UnknownState initial"])
    assert.deepStrictEqual(faults({ states: {}, transitions: [] }), ["NoStates states"])
    const entry = [{ emit: () => ({ _tag: "Shout" }) }]
    assert.deepStrictEqual(faults({ states: { a: { entry }, b: {} } }), ["InvalidInitial states.a.entry"])
  })

  it("may have an object's own names as names", () => {
    const states = { a: {}, toString: {}, constructor: {} }
    assert.deepStrictEqual(faults({ states }), [
      "UnreachableState states.toString",
      "UnreachableState states.constructor",
      "UnknownState transitions.0.to"
    ])
    assert.deepStrictEqual(faults({ transitions: [{ from: "a", on: "toString", to: "b" }] }), [
      "UnknownEvent transitions.0.on"
    ])
    assert.deepStrictEqual(faults({ transitions: [{ from: "valueOf", on: "Go", to: "b" }] }), [
      "UnreachableState states.b",
      "UnknownState transitions.0.from"
    ])
  })

  it("that is not sound is thrown by make, with every fault in its message", () => {
    const lost = { ...base, states: { a: {}, b: {}, lost: {} } }
    assert.throws(() => Machine.make(lost as never), /"test\/small" is not sound:\n- states.lost: nothing leads to/)
    assert.isTrue(Either.isLeft(Machine.makeEither(lost as never)))
  })
})

describe("the order of transitions", () => {
  const taken = (transitions: ReadonlyArray<Machine.AnyTransition>) => {
    const machine = Machine.make({
      ...base,
      states: { a: {}, b: {}, c: {} },
      transitions: [
        ...transitions,
        { from: "b", on: "Back", to: "a" },
        { from: "a", on: "Back", to: "b" },
        { from: "c", on: "Back", to: "c" },
        { from: "b", on: "Go", to: "c" }
      ]
    } as unknown as Machine.Definition<string, { n: number }, Machine.Tags, Machine.Tags>)
    const begun = Either.getOrThrow(Machine.start(machine, "k", 0))
    return Machine.transition(machine, begun, { _tag: "Go" }, 0).pipe(
      Either.match({ onLeft: saidOf, onRight: ({ snapshot }) => snapshot.state })
    )
  }

  it("is: the exact state, then the priority, then the declaration", () => {
    assert.strictEqual(
      taken([
        { from: "*", on: "Go", to: "c", priority: 9 },
        { from: "a", on: "Go", to: "b" }
      ]),
      "b"
    )
    assert.strictEqual(
      taken([
        { from: "a", on: "Go", to: "b", guard: yes },
        { from: "a", on: "Go", to: "c", guard: { ...yes, name: "also" }, priority: 1 }
      ]),
      "c"
    )
    assert.strictEqual(
      taken([
        { from: "a", on: "Go", to: "b", guard: yes },
        { from: "a", on: "Go", to: "c", guard: { ...yes, name: "also" } }
      ]),
      "b"
    )
  })

  it("goes on to the next when a guard is false, and to the wildcard at last", () => {
    assert.strictEqual(
      taken([
        { from: "*", on: "Go", to: "c" },
        { from: "a", on: "Go", to: "b", guard: no, priority: 1 },
        { from: "a", on: "Go", to: "a", guard: { ...no, name: "never" } }
      ]),
      "c"
    )
    assert.deepStrictEqual(
      taken([
        { from: "a", on: "Go", to: "a", guard: { ...no, name: "never" } },
        { from: "a", on: "Go", to: "b", guard: no, priority: 1 }
      ]),
      ["no", "never"]
    )
  })
})

describe("what is not pure", () => {
  const small = { ...base, initial: "a" } as const
  const machine = Machine.make({
    ...small,
    states: { a: {}, b: { kind: "error" } },
    transitions: [
      { from: "a", on: "Go", to: "b", guard: { name: "later", test: (() => Promise.resolve(true)) as never } },
      {
        from: "a",
        on: "Back",
        actions: [{ update: (context) => Object.assign(context, { n: 7 }) }]
      }
    ]
  })
  const begun = Either.getOrThrow(Machine.start(machine, "k", 0))

  it("a guard that gives a promise fails: a promise is always true", () => {
    const { left } = Machine.transition(machine, begun, { _tag: "Go" }, 0) as Either.Left<Machine.StepError, never>
    assert.include(left.message, 'guard "later": it gave no boolean')
  })

  it("a context cannot be changed in place", () => {
    const { left } = Machine.transition(machine, begun, { _tag: "Back" }, 0) as Either.Left<Machine.StepError, never>
    assert.strictEqual(left._tag, "TransitionFailed")
    assert.deepStrictEqual(begun.context, { n: 0 })
  })

  it("an error state is left only by who names it", () => {
    const strict = Machine.make({
      ...small,
      states: { a: {}, b: { kind: "error" } },
      transitions: [
        { from: "a", on: "Go", to: "b" },
        { from: "*", on: "Back", to: "a" }
      ]
    })
    const wrong = Either.map(
      Machine.transition(strict, Either.getOrThrow(Machine.start(strict, "k", 0)), { _tag: "Go" }, 0),
      ({ snapshot }) => Machine.transition(strict, snapshot, { _tag: "Back" }, 0)
    )
    assert.deepStrictEqual(
      Option.map(Either.getRight(wrong), Either.match({ onLeft: saidOf, onRight: () => "left" })),
      Option.some("noTransition")
    )
  })
})
