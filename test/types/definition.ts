// @effect-diagnostics floatingEffect:off missingEffectContext:off missingEffectError:off
/**
 * What the types promise, checked by `npm run check:types`: every `@ts-expect-error` fails the check when the error is
 * gone. Nothing here runs.
 */
import { Context, Effect, Schedule, Schema } from "effect"
import type { Layer } from "effect"
import { Dag, Engine, Heddle, Module, RunId } from "heddle"
import type { RunError } from "heddle"
import type { Failed } from "heddle/model/Failed"
import type { ModuleTimedOut } from "heddle/model/ModuleTimedOut"
import type { Handle, ResumeError, RunError as RunEnd, StartError } from "heddle/run/Handle"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function same<A, B>(...ok: Equal<A, B> extends true ? [] : [never]): void
type EffectA<T> = T extends Effect.Effect<infer A, infer _E, infer _R> ? A : never
type EffectE<T> = T extends Effect.Effect<infer _A, infer E, infer _R> ? E : never
type EffectR<T> = T extends Effect.Effect<infer _A, infer _E, infer R> ? R : never
type NeedsOf<M> = M extends (needs: infer N) => unknown ? N : never

class Cart extends Schema.Class<Cart>("Cart")({ items: Schema.Number, country: Schema.Literal("de", "us") }) {}
class Quote extends Schema.Class<Quote>("Quote")({ cents: Schema.Number }) {}
class Hold extends Schema.Class<Hold>("Hold")({ id: Schema.String }) {}
class Receipt extends Schema.Class<Receipt>("Receipt")({ no: Schema.String }) {}
class PricingError extends Schema.TaggedError<PricingError>()("PricingError", {}) {}
class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", {}) {}
class PaymentError extends Schema.TaggedError<PaymentError>()("PaymentError", {}) {}
class Pricing extends Context.Tag("app/Pricing")<
  Pricing,
  { readonly quote: (cart: Cart) => Effect.Effect<Quote, PricingError> }
>() {}
class Stock extends Context.Tag("app/Stock")<
  Stock,
  { readonly hold: (cart: Cart) => Effect.Effect<Hold, OutOfStock> }
>() {}
class Payments extends Context.Tag("app/Payments")<
  Payments,
  { readonly charge: (quote: Quote, hold: Hold) => Effect.Effect<Receipt, PaymentError> }
>() {}

// --- outputs, errors, requirements and run inputs add up along the graph

const cart = Module.input("cart", Cart)
const quote = Module.make("quote", {
  needs: { cart },
  output: Quote,
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart))
})
const hold = Module.make("hold", {
  needs: { cart },
  output: Hold,
  run: ({ cart }) => Effect.flatMap(Stock, (stock) => stock.hold(cart))
})
const charge = Module.make("charge", {
  needs: { price: quote, hold },
  output: Receipt,
  run: ({ hold, price }) => Effect.flatMap(Payments, (payments) => payments.charge(price, hold)),
  timeout: "10 seconds",
  retry: Schedule.exponential("200 millis").pipe(Schedule.intersect(Schedule.recurs(3)))
})
const Checkout = Dag.make("checkout", { outputs: { charge } })
const aCart = new Cart({ items: 1, country: "de" })
const program = Engine.execute(Checkout, { cart: aCart }, { runId: RunId.make("order-42") })

same<EffectA<typeof program>, { readonly charge: Receipt }>()
same<EffectE<typeof program>, PricingError | OutOfStock | PaymentError | RunEnd | StartError>()
same<EffectR<typeof program>, Pricing | Stock | Payments | Engine.Engine>()
same<Module.Inputs<typeof charge>, Module.Input<"cart", Cart>>()
same<Module.Ending<typeof charge>, Failed>()

export const handle = Engine.start(Checkout, { cart: aCart })
same<EffectA<typeof handle>, Handle<{ readonly charge: Receipt }, PricingError | OutOfStock | PaymentError>>()
same<EffectE<typeof handle>, StartError>()

export const resumed = Engine.resume(Checkout, RunId.make("order-42"))
same<EffectE<typeof resumed>, PricingError | OutOfStock | PaymentError | RunEnd | ResumeError>()
same<Extract<EffectE<typeof resumed>, { readonly _tag: "DagChanged" }>, RunError.DagChanged>()

// --- run inputs

// @ts-expect-error the run input `cart` is missing
void Engine.execute(Checkout, {})
// @ts-expect-error wrong type of a run input
void Engine.execute(Checkout, { cart: 1 })
// @ts-expect-error an input that the Dag does not have
void Engine.execute(Checkout, { cart: aCart, coupon: "x" })

const now = Module.pure("now", { run: (): number => 1 })
const NoInput = Dag.make("no-input", { outputs: { now } })
void Engine.execute(NoInput, {})
// @ts-expect-error there are no inputs
void Engine.execute(NoInput, { cart: 1 })
// @ts-expect-error nor is a string an input
void Engine.execute(NoInput, "cart")

const cart2 = Module.input("cart", Schema.String)
const Clash = Dag.make("clash", { outputs: { a: Module.pure("a", { needs: { cart, cart2 }, run: () => 1 }) } })
// @ts-expect-error two inputs with one name and two types: nothing fits both
void Engine.execute(Clash, { cart: "x" })
// @ts-expect-error nor does the other
void Engine.execute(Clash, { cart: aCart })

// --- needs

Module.make("wrong-need", {
  needs: { quote },
  output: Schema.String,
  // @ts-expect-error no such need
  run: ({ hold }) => Effect.succeed(String(hold))
})
Module.make("wrong-use", {
  needs: { quote },
  output: Schema.String,
  // @ts-expect-error cents is a number
  run: ({ quote }) => Effect.succeed(quote.cents.trim())
})
// @ts-expect-error needs are modules, not strings
Module.make("string-need", { needs: { cart: "cart" }, output: Schema.String, run: () => Effect.succeed("") })
Module.make("wrong-output", {
  needs: { quote },
  output: Schema.String,
  // @ts-expect-error the output does not match its schema
  run: ({ quote }) => Effect.succeed(quote.cents)
})
// @ts-expect-error neither does that of a pure module
Module.pure("wrong-pure", { needs: { quote }, output: Schema.String, run: ({ quote }) => quote.cents })

// --- needs are read-only at every depth

const mutable = Module.pure("mutable", {
  run: () => ({
    list: [{ n: 1 }],
    map: new Map([["a", { n: 1 }]]),
    set: new Set([1]),
    at: new Date(0),
    f: (_: number[]) => 1
  })
})
Module.pure("reader", {
  needs: { mutable },
  run: ({ mutable }) => {
    // @ts-expect-error a property
    mutable.list = []
    // @ts-expect-error an array
    mutable.list.push({ n: 2 })
    // @ts-expect-error a property of an element
    mutable.list[0]!.n = 2
    // @ts-expect-error a Map
    mutable.map.set("b", { n: 2 })
    // @ts-expect-error a value in a Map
    mutable.map.get("a")!.n = 2
    // @ts-expect-error a Set
    mutable.set.add(2)
    return mutable.f([1])
  }
})
class Secret {
  private readonly inner: string = ""
  list: Array<number> = []
  reveal() {
    return this.inner
  }
}
export const secretive = Module.pure("secretive", { run: () => new Secret() })
// a type that is read-only already, or has private members, keeps its name
const keepsNames = (
  needs: Module.Values<{
    readonly quote: typeof quote
    readonly secretive: typeof secretive
    readonly charge: typeof charge
  }>
) => needs
same<NeedsOf<typeof keepsNames>, { readonly quote: Quote; readonly secretive: Secret; readonly charge: Receipt }>()

// --- recursive types can be needs

interface Tree {
  readonly value: number
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Schema<Tree> = Schema.Struct({
  value: Schema.Number,
  children: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree))
})
type Json = null | string | number | boolean | ReadonlyArray<Json> | { readonly [key: string]: Json }
declare const Json: Schema.Schema<Json>
interface Linked {
  value: number
  next?: Linked
}
declare const Linked: Schema.Schema<Linked>
class Folder extends Schema.Class<Folder>("Folder")({
  name: Schema.String,
  folders: Schema.Array(Schema.suspend((): Schema.Schema<Folder, FolderEncoded> => Folder))
}) {}
interface FolderEncoded {
  readonly name: string
  readonly folders: ReadonlyArray<FolderEncoded>
}
const depth = (tree: Tree): number => 1 + Math.max(0, ...tree.children.map(depth))
const size = (folder: Folder): number => 1 + folder.folders.map(size).reduce((a, b) => a + b, 0)
const recursive = Module.make("recursive", {
  needs: {
    tree: Module.input("tree", Tree),
    json: Module.input("json", Json),
    linked: Module.input("linked", Linked),
    folder: Module.input("folder", Folder)
  },
  output: Schema.Number,
  run: ({ folder, json, linked, tree }) => {
    // @ts-expect-error read-only, also below
    if (linked.next !== undefined) linked.next.value = 1
    return Effect.succeed(depth(tree) + size(folder) + (json === null ? 0 : 1) + (linked.next?.value ?? 0))
  }
})
void Dag.make("recursive", { outputs: { recursive } })

// --- errors and requirements do not get lost

// @ts-expect-error a requirement is left
const runnable: Effect.Effect<unknown, unknown, Engine.Engine> = program
// @ts-expect-error an error is lost
const lost: Effect.Effect<unknown, RunEnd | StartError | PricingError, Pricing | Stock | Payments | Engine.Engine> =
  program
const provided: Effect.Effect<
  { readonly charge: Receipt },
  PricingError | OutOfStock | PaymentError | RunEnd | StartError,
  Pricing | Stock | Payments
> = Effect.provide(program, Heddle.layerMemory)
same<typeof Heddle.layerMemory, Layer.Layer<Engine.Engine>>()

// --- retry sees the module's own errors, and its timeout

Module.make("retried", {
  needs: { cart },
  output: Quote,
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart)),
  retry: Schedule.recurWhile((error: PricingError | ModuleTimedOut) => error._tag === "PricingError")
})
Module.make("retried-wrong", {
  needs: { cart },
  output: Quote,
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart)),
  // @ts-expect-error not an error of this module
  retry: Schedule.recurWhile((error: PaymentError) => error._tag === "PaymentError")
})

// --- an error schema

export const declared = Module.make("declared", {
  needs: { cart },
  output: Quote,
  error: PricingError,
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart))
})
same<Module.Ending<typeof declared>, PricingError>()
Module.make("declared-wrong", {
  needs: { cart },
  output: Quote,
  // @ts-expect-error a schema of another error: what is stored would not come back as this module's own
  error: Schema.Struct({ code: Schema.Number }),
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart))
})

// --- schemas with requirements

class Key extends Context.Tag("app/Key")<Key, string>() {}
declare const Encrypted: Schema.Schema<string, string, Key>
const secret = Module.input("secret", Encrypted)
export const sealed = Module.make("sealed", {
  needs: { secret },
  output: Encrypted,
  run: ({ secret }) => Effect.succeed(secret)
})
same<Module.Requirements<typeof sealed>, Key>()

// --- modules that are written inline infer the same as named ones

const Inline = Dag.make("inline", {
  outputs: {
    p: Module.pure("p", { needs: { cart }, run: () => 1 }),
    m: Module.make("m", {
      needs: { cart },
      output: Schema.Number,
      run: ({ cart }) =>
        Effect.as(
          Effect.flatMap(Stock, (stock) => stock.hold(cart)),
          1
        )
    }),
    i: Module.make("i", {
      needs: { q: Module.pure("q", { run: () => 1 }) },
      output: Schema.Number,
      run: ({ q }) => Effect.succeed(q)
    })
  }
})
export const inline = Engine.execute(Inline, { cart: aCart })
same<EffectA<typeof inline>, { readonly p: number; readonly m: number; readonly i: number }>()
same<EffectE<typeof inline>, OutOfStock | RunEnd | StartError>()
same<EffectR<typeof inline>, Stock | Engine.Engine>()

// --- graphs that are built in a loop leak no `any`

const layer: Record<string, Module.Of<number, PricingError, Pricing, Module.Input<"cart", Cart>>> = {}
for (let i = 0; i < 10; i++) {
  const module = Module.make(`m${i}`, {
    needs: { quote },
    output: Schema.Number,
    run: ({ quote }) => Effect.succeed(quote.cents + i)
  })
  layer[module.name] = module
}
const sum = Module.pure("sum", {
  needs: layer,
  run: (needs) => {
    same<typeof needs, { readonly [x: string]: number }>()
    return Object.values(needs).reduce((a, b) => a + b, 0)
  }
})
export const looped = Engine.execute(Dag.make("looped", { outputs: { sum } }), { cart: aCart })
same<EffectE<typeof looped>, PricingError | RunEnd | StartError>()
same<EffectR<typeof looped>, Pricing | Engine.Engine>()

const anyNeeds: Record<string, Module.Any> = layer
const sumAny = Module.pure("sumAny", {
  needs: anyNeeds,
  run: (needs) => {
    same<typeof needs, { readonly [x: string]: unknown }>()
    return Object.keys(needs).length
  }
})
const UnknownDag = Dag.make("unknown", { outputs: { sumAny } })
// @ts-expect-error the requirements of an unknown graph are unknown, so it cannot be run by accident
void Effect.runPromise(Effect.provide(Engine.execute(UnknownDag, {}), Heddle.layerMemory))

let previous: Module.Of<number> = now
for (let i = 0; i < 10; i++)
  previous = Module.pure(`p${i}`, { needs: { previous }, run: ({ previous }) => previous + 1 })

void [runnable, lost, provided, previous, keepsNames]
