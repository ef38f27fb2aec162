/* eslint-disable @typescript-eslint/no-unused-vars */
// @effect-diagnostics floatingEffect:off missingEffectContext:off missingEffectError:off
/**
 * What the types of state machines and reducer nodes promise, checked by `npm run check:types`: every `@ts-expect-error`
 * fails the check when the error is gone. Nothing here runs.
 */
import { Context, Effect, Schema } from "effect"
import type { Either, Layer } from "effect"
import { Dag, Engine, Module } from "heddle"
import type { NodeError } from "heddle"
import * as Machine from "heddle/node/Machine"
import * as ReducerNode from "heddle/node/ReducerNode"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function same<A, B>(...ok: Equal<A, B> extends true ? [] : [never]): void

class Post extends Context.Tag("app/Post")<Post, { readonly send: (text: string) => Effect.Effect<void, "lost"> }>() {}

const door = Machine.make({
  id: "app/door",
  context: Schema.Struct({ opened: Schema.Int }),
  events: { Open: {}, Close: { by: Schema.String, at: Schema.optional(Schema.Date) } },
  intents: { Ring: { times: Schema.Int } },
  initial: "closed",
  initialContext: { opened: 0 },
  states: {
    closed: {
      entry: [
        {
          emit: (context, event) => {
            same<typeof context, { readonly opened: number }>()
            same<(typeof event)["_tag"], "Open" | "Close" | "@start" | "@after">()
            return { _tag: "Ring", times: context.opened }
          }
        }
      ]
    },
    open: { after: { delay: "1 minute", to: "closed" } }
  },
  transitions: [
    { from: "closed", on: "Open", to: "open", actions: [{ update: ({ opened }) => ({ opened: opened + 1 }) }] },
    {
      from: "open",
      on: "Close",
      to: "closed",
      guard: {
        name: "by somebody",
        test: (_, event) => {
          same<typeof event.by, string>()
          same<typeof event.at, Date | undefined>()
          return event.by !== ""
        }
      }
    },
    { from: "*", on: "Open" }
  ]
})

const small = {
  id: "app/small",
  context: Schema.Null,
  events: { Go: {} },
  intents: { Say: { text: Schema.String } },
  initialContext: null
} as const

Machine.make({
  ...small,
  // @ts-expect-error there is no such state
  initial: "c",
  states: { a: {}, b: {} },
  transitions: [{ from: "a", on: "Go", to: "b" }]
})
Machine.make({
  ...small,
  initial: "a",
  states: { a: {}, b: {} },
  // @ts-expect-error there is no such state to go to
  transitions: [{ from: "a", on: "Go", to: "c" }]
})
Machine.make({
  ...small,
  initial: "a",
  states: { a: {}, b: {} },
  // @ts-expect-error there is no such state to come from
  transitions: [{ from: "c", on: "Go", to: "b" }]
})
Machine.make({
  ...small,
  initial: "a",
  states: { a: {}, b: {} },
  // @ts-expect-error there is no such event
  transitions: [{ from: "a", on: "Stop", to: "b" }]
})
Machine.make({
  ...small,
  initial: "a",
  // @ts-expect-error a timed transition leads nowhere
  states: { a: { after: { delay: 5, to: "c" } }, b: {} },
  transitions: [{ from: "a", on: "Go", to: "b" }]
})
Machine.make({
  ...small,
  initial: "a",
  states: { a: {}, b: {} },
  // @ts-expect-error there is no such intent
  transitions: [{ from: "a", on: "Go", to: "b", actions: [{ emit: () => ({ _tag: "Shout", text: "" }) }] }]
})
Machine.make({
  ...small,
  initial: "a",
  // @ts-expect-error the context is null
  initialContext: 1,
  states: { a: {}, b: {} },
  transitions: [{ from: "a", on: "Go", to: "b" }]
})

// actions without parameters, lists, and intents without fields
Machine.make({
  ...small,
  events: { Go: { far: Schema.Boolean } },
  intents: { Say: { text: Schema.String }, Shout: {} },
  initial: "a",
  states: { a: { exit: [{ emit: () => ({ _tag: "Shout" }) }] } },
  transitions: [
    { from: "a", on: "Go", to: "a", actions: [{ emit: () => ({ _tag: "Shout" }) }] },
    {
      from: "*",
      on: "Go",
      actions: [
        { emit: () => [{ _tag: "Say", text: "" }, { _tag: "Shout" }] },
        { emit: (_, { far }) => (far ? { _tag: "Shout" } : []) },
        { update: () => null, emit: () => ({ _tag: "Say", text: "" }) }
      ]
    }
  ]
})

class Later extends Context.Tag("app/Later")<Later, string>() {}
const requiring = Schema.transformOrFail(Schema.String, Schema.String, {
  decode: (text) => Effect.as(Later, text),
  encode: (text) => Effect.succeed(text)
})
Machine.make({
  ...small,
  // @ts-expect-error a field requires a service
  events: { Go: { text: requiring } },
  initial: "a",
  states: { a: {} },
  transitions: []
})

// built from data: names are strings
declare const loaded: Machine.Definition<string, unknown, Machine.Tags, Machine.Tags>
const made = Machine.makeEither(loaded)
same<
  typeof made extends Either.Either<Machine.Machine<string, infer _Ev, unknown, infer _I>, infer E> ? E : never,
  Machine.MachineInvalid
>()

class Doors extends ReducerNode.Service<Doors>()("app/Doors", { machine: door }) {}

declare const doors: typeof Doors.Service
const sent = doors.send("front", { _tag: "Close", by: "ann" })
same<
  typeof sent,
  Effect.Effect<ReducerNode.View<"closed" | "open", { readonly opened: number }>, ReducerNode.Failure>
>()
same<
  ReducerNode.Failure,
  Machine.TransitionRefused | Machine.TransitionFailed | NodeError.NodeStateUnavailable | NodeError.NodeValueInvalid
>()
// @ts-expect-error a field is missing
doors.send("front", { _tag: "Close" })
// @ts-expect-error there is no such event
doors.send("front", { _tag: "Lock" })

const live = Doors.layer({
  intents: (intent, { id }) => {
    same<typeof intent.times, number>()
    return Effect.flatMap(Post, (post) => post.send(id))
  }
})
same<typeof live, Layer.Layer<Doors, never, Post>>()
// @ts-expect-error who does the intents is missing
Doors.layer()
// @ts-expect-error who does the intents is missing
Doors.layer({ capacity: 5 })

const silent = Machine.make({
  id: "app/silent",
  context: Schema.Null,
  events: { Go: {} },
  initial: "a",
  initialContext: null,
  states: { a: {} },
  transitions: [{ from: "a", on: "Go" }]
})
class Silent extends ReducerNode.Service<Silent>()("app/Silent", { machine: silent }) {}
same<ReturnType<typeof Silent.layer>, Layer.Layer<Silent>>()
Silent.layer({ capacity: 5 })

// a vertex: its service, its errors and its output
const who = Module.input("who", Schema.String)
const close = Module.node("close", {
  node: Doors,
  needs: { who },
  input: ({ who }) => ({ key: "front", event: { _tag: "Close", by: who } })
})
const closing = Engine.execute(Dag.make("closing", { outputs: { close } }), { who: "ann" })
same<
  typeof closing extends Effect.Effect<infer A, infer _E, infer _R> ? A : never,
  { readonly close: ReducerNode.View<"closed" | "open", { readonly opened: number }> }
>()
same<
  Extract<typeof closing extends Effect.Effect<infer _A, infer E, infer _R> ? E : never, { _tag: "TransitionRefused" }>,
  Machine.TransitionRefused
>()
same<typeof closing extends Effect.Effect<infer _A, infer _E, infer R> ? R : never, Doors | Engine.Engine>()
