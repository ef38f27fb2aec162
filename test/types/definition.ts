// of most values here only the type is looked at
/* eslint-disable @typescript-eslint/no-unused-vars */
// @effect-diagnostics floatingEffect:off missingEffectContext:off missingEffectError:off
/**
 * What the types promise, checked by `npm run check:types`: every `@ts-expect-error` fails the check when the error is
 * gone. Nothing here runs.
 */
import { Context, Effect, Option, Schedule, Schema } from "effect"
import type { Cause, Exit, Layer } from "effect"
import { Dag, Engine, Heddle, Module, Run, RunId, Shared } from "heddle"
import type {
  Cancelled,
  Failed,
  ModuleError,
  ModuleTimedOut,
  RunError,
  Signals,
  Skipped,
  StateWriter,
  Timeline
} from "heddle"
import { CurrentModule } from "heddle/dag/CurrentModule"
import type { Attempt } from "heddle/dag/CurrentModule"
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

// --- an array that is not empty stays one

interface Chain {
  links: [Chain | number, ...Array<Chain>]
}
declare const Chain: Schema.Schema<Chain>
const some = Module.input("some", Schema.NonEmptyArray(Schema.Struct({ n: Schema.mutable(Schema.Array(Schema.Int)) })))
export const first = Module.pure("first", {
  needs: { some, chain: Module.input("chain", Chain) },
  run: ({ chain, some }) => {
    // @ts-expect-error read-only, also below
    chain.links[0] = 1
    // @ts-expect-error of each element
    some[0].n.push(1)
    return some[0].n.length
  }
})

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
same<
  typeof Heddle.layerMemory,
  Layer.Layer<Engine.Engine | StateWriter.StateWriter | Timeline.Timeline | Signals.Signals>
>()

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

// --- join rules

Module.make("always", {
  needs: { quote, hold },
  join: "always",
  output: Schema.Void,
  run: (needs) => {
    same<
      typeof needs,
      {
        readonly quote: Exit.Exit<Quote, Failed | Skipped | Cancelled>
        readonly hold: Exit.Exit<Hold, Failed | Skipped | Cancelled>
      }
    >()
    return Effect.void
  }
})
Module.make("always-declared", {
  needs: { declared },
  join: "always",
  output: Schema.Void,
  run: (needs) => {
    same<typeof needs, { readonly declared: Exit.Exit<Quote, PricingError | Skipped | Cancelled> }>()
    return Effect.void
  }
})
Module.make("none-failed", {
  needs: { quote, hold },
  join: "noneFailed",
  output: Schema.Void,
  run: (needs) => {
    same<typeof needs, { readonly quote: Option.Option<Quote>; readonly hold: Option.Option<Hold> }>()
    return Effect.void
  }
})
Module.pure("any-succeeded", {
  needs: { quote, mutable },
  join: "anySucceeded",
  run: ({ mutable, quote }) => {
    same<typeof quote, Option.Option<Quote>>()
    // @ts-expect-error read-only, whatever the join rule
    Option.getOrThrow(mutable).list.push({ n: 2 })
  }
})
// @ts-expect-error no such rule
Module.make("most", { needs: { quote }, join: "most", output: Schema.Void, run: () => Effect.void })

// --- routes, when, skipping

const where = Module.route("where", {
  needs: { cart },
  branches: ["de", "us"],
  choose: ({ cart }) => cart.country
})
const where2 = Module.route("where2", {
  needs: { cart },
  branches: ["a", "b"],
  default: "b",
  choose: ({ cart }) =>
    Effect.map(
      Effect.flatMap(Stock, (stock) => stock.hold(cart)),
      () => "a" as const
    )
})
same<Module.Output<typeof where2>, "a" | "b">()
same<Module.Error<typeof where2>, OutOfStock>()
same<Module.Requirements<typeof where2>, Stock>()
same<Module.Inputs<typeof where2>, Module.Input<"cart", Cart>>()
// @ts-expect-error not a branch
where.is("fr")
// @ts-expect-error choose gives something else
Module.route("where3", { needs: { cart }, branches: ["a", "b"], choose: () => "c" })
// @ts-expect-error so does its Effect
Module.route("where4", { needs: { cart }, branches: ["a", "b"], choose: () => Effect.succeed("c") })
export const where9 = Module.route("where9", { branches: ["a", "b"], choose: () => "a" })
export const where10 = Module.route("where10", { branches: ["a", "b"], choose: () => Effect.succeed("a" as const) })
// @ts-expect-error the default is not a branch
Module.route("where5", { branches: ["a", "b"], default: "c", choose: () => "a" })
// @ts-expect-error a branch is not the name of one
Module.pure("where6", { when: "de", run: () => 1 })
// @ts-expect-error nor a route
Module.pure("where7", { when: where, run: () => 1 })
// @ts-expect-error a branch is not a module
Module.pure("where8", { needs: { de: where.is("de") }, run: () => 1 })

const taxDe = Module.pure("taxDe", {
  needs: { quote },
  when: where.is("de"),
  run: ({ quote }) => quote.cents * 0.19
})
const taxUs = Module.make("taxUs", {
  needs: { quote },
  when: where.is("us"),
  output: Schema.Number,
  run: ({ quote }) => Effect.succeed(quote.cents)
})
const afterUs = Module.pure("afterUs", {
  needs: { taxUs },
  run: ({ taxUs }) => {
    same<typeof taxUs, number>()
    return taxUs
  }
})
const tax = Module.pure("tax", {
  needs: { taxDe, taxUs },
  join: "anySucceeded",
  run: ({ taxDe, taxUs }) =>
    Option.getOrElse(
      Option.orElse(taxDe, () => taxUs),
      () => 0
    )
})
const taxOrQuote = Module.pure("taxOrQuote", { needs: { taxDe, quote }, join: "anySucceeded", run: () => 0 })
const taxAll = Module.pure("taxAll", { needs: { taxDe, taxUs }, join: "noneFailed", run: () => 0 })
const taxAlways = Module.pure("taxAlways", { needs: { taxDe, taxUs }, join: "always", run: () => 0 })
const Taxed = Dag.make("taxed", { outputs: { taxDe, afterUs, tax, taxOrQuote, taxAll, taxAlways, quote } })
export const taxed = Engine.execute(Taxed, { cart: aCart })
// an output that may be skipped is an Option; one that joins loosely is not; anySucceeded over such needs only is
same<
  EffectA<typeof taxed>,
  {
    readonly taxDe: Option.Option<number>
    readonly afterUs: Option.Option<number>
    readonly tax: Option.Option<number>
    readonly taxOrQuote: number
    readonly taxAll: number
    readonly taxAlways: number
    readonly quote: Quote
  }
>()
// `when` brings the errors, requirements and run inputs of the route
const viaWhen = Module.pure("viaWhen", { when: where2.is("a"), run: (): number => 1 })
same<
  typeof viaWhen,
  Module.Module<"viaWhen", number, OutOfStock, Stock, Module.Input<"cart", Cart>, Failed | Skipped>
>()

// --- what may be skipped is not what may not, and the other way round

// @ts-expect-error it may be skipped
export const notSkipped: Module.Of<number, PricingError, Pricing, Module.Input<"cart", Cart>> = taxDe
// @ts-expect-error it may not
export const skippable: Module.Of<number, never, never, never, Failed | Skipped> = now
// @ts-expect-error nor does it when its name is known
export const skippable2: Module.Module<"now", number, never, never, never, Failed | Skipped> = now
export const wider: ReadonlyArray<
  Module.Of<Quote, PricingError, Pricing, Module.Input<"cart", Cart>, Failed | PricingError>
> = [quote, declared]
export const any: ReadonlyArray<Module.Any> = [now, taxDe, declared, where2]
declare const eitherOf: Record<string, typeof taxDe | typeof now>
const either = Dag.make("either", { outputs: eitherOf })
export const eithers = Engine.execute(either, { cart: aCart })
same<EffectA<typeof eithers>, { readonly [x: string]: number | Option.Option<number> }>()

// --- onFailure

const skipOnFailure = Module.make("skipOnFailure", {
  needs: { cart },
  output: Quote,
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart)),
  onFailure: "skip"
})
same<Module.Error<typeof skipOnFailure>, never>()
same<Module.Requirements<typeof skipOnFailure>, Pricing>()
same<Module.Ending<typeof skipOnFailure>, Failed | Skipped>()
const failOnFailure = Module.make("failOnFailure", {
  needs: { cart },
  output: Quote,
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart)),
  onFailure: "fail"
})
same<Module.Error<typeof failOnFailure>, PricingError>()
same<Module.Ending<typeof failOnFailure>, Failed>()
const recovered = Module.make("recovered", {
  needs: { cart },
  output: Quote,
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart)),
  onFailure: (cause) => {
    same<typeof cause, Cause.Cause<PricingError | ModuleTimedOut | ModuleError.ModuleCutOff>>()
    return Effect.as(Stock, new Quote({ cents: 0 }))
  }
})
same<Module.Error<typeof recovered>, never>()
same<Module.Requirements<typeof recovered>, Pricing | Stock>()
same<Module.Ending<typeof recovered>, Failed>()
const replaced = Module.make("replaced", {
  needs: { cart },
  output: Quote,
  error: PaymentError,
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart)),
  onFailure: () => Effect.fail(new PaymentError())
})
same<Module.Error<typeof replaced>, PaymentError>()
same<Module.Ending<typeof replaced>, PaymentError>()
Module.make("replaced-wrong", {
  needs: { cart },
  output: Quote,
  // @ts-expect-error the module fails with what its onFailure fails with
  error: PricingError,
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart)),
  onFailure: () => Effect.fail(new PaymentError())
})
Module.make("recovered-wrong", {
  needs: { cart },
  output: Quote,
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart)),
  // @ts-expect-error not the output
  onFailure: () => Effect.succeed(1)
})
// @ts-expect-error no such policy
Module.make("ignored", { output: Quote, run: () => Effect.die(""), onFailure: "ignore" })
// where TypeScript has to infer the parameter of `onFailure` alone it looks at `error` too early: write the type down
const replacedWithCause = Module.make("replacedWithCause", {
  output: Quote,
  error: PaymentError,
  run: () => Effect.fail(new PricingError()),
  onFailure: (_cause: Cause.Cause<unknown>) => Effect.fail(new PaymentError())
})
same<Module.Error<typeof replacedWithCause>, PaymentError>()
// written before run
const recoveredFirst = Module.make("recoveredFirst", {
  needs: { cart },
  output: Quote,
  onFailure: (_cause) => Effect.as(Stock, new Quote({ cents: 0 })),
  run: ({ cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart))
})
same<Module.Requirements<typeof recoveredFirst>, Pricing | Stock>()

// --- how often, in which order

Module.make("once", {
  output: Schema.Void,
  run: () => Effect.void,
  execution: "atMostOnce",
  limit: "payments",
  priority: -1,
  version: 2
})
// @ts-expect-error nobody can promise that
Module.make("exactly", { output: Schema.Void, run: () => Effect.void, execution: "exactlyOnce" })

// --- map

const lines = Module.pure("lines", {
  needs: { cart },
  run: ({ cart }) => Array.from({ length: cart.items }, (_, i) => `sku-${i}`)
})
const priced = Module.map("priced", {
  needs: { lines, cart },
  over: ({ lines }) => lines,
  output: Quote,
  concurrency: 4,
  run: (sku, { cart }, index) => {
    same<typeof sku, string>()
    return Effect.zipRight(
      Run.progress(index, cart.items),
      Effect.flatMap(Pricing, (pricing) => pricing.quote(cart))
    )
  },
  timeout: "1 second",
  retry: Schedule.recurs(1),
  limit: "pricing",
  priority: 1
})
same<Module.Output<typeof priced>, ReadonlyArray<Quote>>()
same<Module.Error<typeof priced>, PricingError>()
same<Module.Requirements<typeof priced>, Pricing>()
same<Module.Ending<typeof priced>, Failed>()
const collected = Module.map("collected", {
  needs: { lines, cart },
  over: ({ lines }) => lines,
  output: Quote,
  error: PricingError,
  onItemFailure: "collect",
  run: (_sku, { cart }) => Effect.flatMap(Pricing, (pricing) => pricing.quote(cart))
})
same<Module.Output<typeof collected>, ReadonlyArray<Exit.Exit<Quote, PricingError>>>()
same<Module.Error<typeof collected>, never>()
const collectedFailed = Module.map("collectedFailed", {
  needs: { lines },
  over: ({ lines }) => lines,
  output: Quote,
  onItemFailure: "collect",
  run: () => Effect.fail(new PricingError())
})
same<Module.Output<typeof collectedFailed>, ReadonlyArray<Exit.Exit<Quote, Failed>>>()
const mapSkipped = Module.map("mapSkipped", {
  needs: { lines },
  when: where.is("de"),
  over: ({ lines }) => lines,
  output: Quote,
  onFailure: "skip",
  run: () => Effect.fail(new PricingError())
})
same<Module.Error<typeof mapSkipped>, never>()
same<Module.Ending<typeof mapSkipped>, Failed | Skipped>()
Module.map("readonly-items", {
  over: () => [{ list: [1] }],
  output: Schema.Void,
  // @ts-expect-error an item is read-only at every depth
  run: (item) => Effect.sync(() => void item.list.push(2))
})
// @ts-expect-error not a list
Module.map("not-a-list", { over: () => 1, output: Schema.Void, run: () => Effect.void })
// @ts-expect-error the output does not match its schema
Module.map("wrong-item", { over: () => [1], output: Schema.String, run: (n) => Effect.succeed(n) })
// @ts-expect-error an item has an output schema
Module.map("no-output", { over: () => [1], run: (n) => Effect.succeed(n) })
// @ts-expect-error a map joins all that it needs
Module.map("joined", { over: () => [1], join: "always", output: Schema.Number, run: (n: number) => Effect.succeed(n) })

const carts = Module.input("carts", Schema.Array(Cart))
const checkouts = Module.map("checkouts", {
  needs: { carts },
  over: ({ carts }) => carts,
  dag: Checkout,
  input: (cart, needs, index) => {
    same<typeof cart, Cart>()
    same<typeof needs, { readonly carts: ReadonlyArray<Cart> }>()
    same<typeof index, number>()
    return { cart }
  },
  concurrency: "unbounded"
})
same<Module.Output<typeof checkouts>, ReadonlyArray<{ readonly charge: Receipt }>>()
same<Module.Error<typeof checkouts>, PricingError | OutOfStock | PaymentError>()
same<Module.Requirements<typeof checkouts>, Pricing | Stock | Payments>()
same<Module.Inputs<typeof checkouts>, Module.Input<"carts", ReadonlyArray<Cart>>>()
const checkoutsCollected = Module.map("checkoutsCollected", {
  needs: { carts },
  over: ({ carts }) => carts,
  dag: Checkout,
  input: (cart) => ({ cart }),
  onItemFailure: "collect",
  onFailure: "skip"
})
same<Module.Output<typeof checkoutsCollected>, ReadonlyArray<Exit.Exit<{ readonly charge: Receipt }, Failed>>>()
same<Module.Error<typeof checkoutsCollected>, never>()
same<Module.Ending<typeof checkoutsCollected>, Failed | Skipped>()
// @ts-expect-error the inputs of an item's Dag are wrong
Module.map("wrong-input", { over: () => [1], dag: Checkout, input: (n) => ({ cart: n }) })
// @ts-expect-error an item is an Effect or a Dag
Module.map("both", {
  over: () => [1],
  dag: Checkout,
  input: () => ({ cart: aCart }),
  output: Schema.Void,
  run: () => Effect.void
})

// --- signal, sleep

const Approval = Schema.Literal("yes", "no")
const approval = Module.signal("approval", { needs: { quote }, value: Approval, timeout: "3 days" })
const wait = Module.sleep("wait", { needs: { quote }, duration: ({ quote }) => `${quote.cents} millis` as const })
const defaulted = Module.signal("defaulted", { value: Approval, timeout: "3 days", onTimeout: () => "no" })
same<Module.Output<typeof defaulted>, "yes" | "no">()
export const numbered = Module.signal("numbered", { value: Schema.Number, onTimeout: () => 1 })
export const built = Module.signal("built", { value: Quote, onTimeout: () => new Quote({ cents: 0 }) })
// @ts-expect-error not a value of the signal
Module.signal("defaulted-wrong", { value: Approval, timeout: "3 days", onTimeout: () => "maybe" })
same<Module.Output<typeof wait>, void>()
same<Module.Error<typeof wait>, PricingError>()
// @ts-expect-error not a duration
Module.sleep("wait-wrong", { duration: "3 dayz" })
const approved = Module.make("approved", {
  needs: { approval, wait },
  output: Schema.Boolean,
  run: ({ approval }) => Effect.succeed(approval === "yes")
})
same<Module.Error<typeof approved>, PricingError>()
same<Module.Requirements<typeof approved>, Pricing>()
declare const deliver: <A>(signal: Module.AnySignal<A>, value: NoInfer<A>) => void
deliver(approval, "yes")
// @ts-expect-error does not fit the signal
deliver(approval, "maybe")
// @ts-expect-error not a signal
deliver(quote, new Quote({ cents: 1 }))

// --- child Dags

const child = Module.dag("child", { dag: Checkout, needs: { cart }, input: ({ cart }) => ({ cart }) })
same<Module.Output<typeof child>, { readonly charge: Receipt }>()
same<Module.Error<typeof child>, PricingError | OutOfStock | PaymentError>()
same<Module.Requirements<typeof child>, Pricing | Stock | Payments>()
same<Module.Ending<typeof child>, Failed>()
const childSkipped = Module.dag("childSkipped", { dag: NoInput, input: () => ({}), onFailure: "skip" })
same<Module.Ending<typeof childSkipped>, Failed | Skipped>()
// @ts-expect-error the child's input is wrong
Module.dag("child2", { dag: Checkout, needs: { quote }, input: ({ quote }) => ({ cart: quote }) })

// --- what only a module may call

const talk = Module.make("talk", {
  needs: { cart },
  output: Schema.String,
  error: OutOfStock,
  run: ({ cart }) =>
    Effect.gen(function* () {
      const id = yield* Run.id
      yield* Run.emit("hello")
      yield* Run.progress(1, 2)
      yield* Effect.when(Run.stop, () => cart.items === 0)
      yield* Effect.flatMap(Stock, (stock) => stock.hold(cart))
      return `${id} ${yield* Run.attempt} ${yield* Run.idempotencyKey}`
    }),
  retry: Schedule.recurWhile((error: OutOfStock | ModuleTimedOut) => error._tag === "OutOfStock"),
  onFailure: (cause) => {
    same<typeof cause, Cause.Cause<OutOfStock | ModuleTimedOut | ModuleError.ModuleCutOff>>()
    return Effect.zipRight(Run.emit("failed"), Effect.fail(new OutOfStock()))
  }
})
// the error of a call after the module has ended is not one that the module itself can meet
same<Module.Error<typeof talk>, OutOfStock>()
same<Module.Requirements<typeof talk>, Stock>()
same<Module.Ending<typeof talk>, OutOfStock>()
const talkingRoute = Module.route("talkingRoute", {
  branches: ["a"],
  choose: () => Effect.as(Run.emit(1), "a" as const)
})
same<Module.Error<typeof talkingRoute>, never>()
same<Module.Requirements<typeof talkingRoute>, never>()
same<typeof Run.stop, Effect.Effect<void, ModuleError.ModuleEnded, CurrentModule>>()
same<typeof Run.id, Effect.Effect<RunId, never, CurrentModule>>()
same<typeof Run.idempotencyKey, Effect.Effect<string, never, CurrentModule>>()
// @ts-expect-error Run.emit outside of a module cannot be run
void Effect.runPromise(Run.emit("x"))
// @ts-expect-error nor at the edge of a program that has an engine
void Effect.runPromise(Effect.provide(Run.emit("x"), Heddle.layerMemory))
declare const forged: { readonly [K in Extract<keyof Attempt, string>]: Attempt[K] }
// @ts-expect-error what the engine provides cannot be made of its parts
Effect.provideService(Run.id, CurrentModule, forged)

// --- shared state

const counters = Shared.make("counters", {
  seen: Shared.cell(Schema.Int, 0),
  last: Shared.cell(Schema.String, ""),
  ticks: Shared.live(Schema.Int, 0)
})
const other = Shared.make("other", {
  n: Shared.cell(Schema.Int, 0, { merge: (a, b) => a + b }),
  list: Shared.cell(Schema.mutable(Schema.Array(Schema.mutable(Schema.Struct({ n: Schema.Number })))), [])
})
type UseCounters = Shared.Use<
  "counters",
  {
    readonly seen: Shared.Cell<number, false>
    readonly last: Shared.Cell<string, false>
    readonly ticks: Shared.Cell<number, true>
  }
>
// a helper outside of any module
const bump = Shared.update(counters, ({ seen }) => ({ seen: seen + 1, last: "x" }))
same<typeof bump, Effect.Effect<void, ModuleError.ModuleEnded, CurrentModule | UseCounters>>()
const seen = Shared.get(counters, "seen")
same<typeof seen, Effect.Effect<number, ModuleError.ModuleEnded, CurrentModule | UseCounters>>()
Shared.update(counters, (cells) => {
  same<typeof cells, { readonly seen: number; readonly last: string }>()
  return {}
})
Shared.updateLive(counters, (cells) => {
  same<typeof cells, { readonly ticks: number }>()
  return { ticks: cells.ticks + 1 }
})
// @ts-expect-error wrong type of a cell
Shared.update(counters, () => ({ seen: "x" }))
// @ts-expect-error no such cell
Shared.update(counters, () => ({ sen: 1 }))
// @ts-expect-error a live cell is not updated with the completion of the module
Shared.update(counters, () => ({ seen: 1, ticks: 1 }))
// @ts-expect-error nor one that is not live at once
Shared.updateLive(counters, () => ({ seen: 1 }))
// @ts-expect-error no such cell
Shared.get(counters, "sean")
Shared.update(other, ({ list, n }) => ({ list: [...list, { n }] }))
Shared.update(other, (cells) => {
  // @ts-expect-error values are read-only at every depth
  cells.list[0]!.n = 1
  return cells
})
// @ts-expect-error so is what is read
Effect.map(Shared.get(other, "list"), (list) => list.push({ n: 1 }))
// @ts-expect-error the initial value does not fit the schema
Shared.cell(Schema.Int, "0")
// @ts-expect-error a cell is encoded without services
Shared.cell(Encrypted, "")
// @ts-expect-error a group is of cells
Shared.make("bad", { n: 1 })

const count = Module.make("count", { needs: { cart }, output: Schema.Int, run: () => Effect.zipRight(bump, seen) })
same<Module.Requirements<typeof count>, UseCounters>()
same<Module.Error<typeof count>, never>()
const Counted = Dag.make("counted", { outputs: { count, quote }, shared: [counters] })
export const counted = Engine.execute(Counted, { cart: aCart })
same<EffectR<typeof counted>, Pricing | Engine.Engine>()
void Dag.make("counted2", { outputs: { count, quote }, shared: [other, counters] })
// @ts-expect-error the Dag does not declare the cells
Dag.make("counted3", { outputs: { count, quote } })
// @ts-expect-error nor does this one
Dag.make("counted4", { outputs: { count, quote }, shared: [other] })
Dag.make("counted5", {
  outputs: { count, n: Module.make("n", { output: Schema.Int, run: () => Shared.get(other, "n") }) },
  // @ts-expect-error one of two
  shared: [other]
})
const countChild = Module.dag("countChild", { dag: Counted, needs: { cart }, input: ({ cart }) => ({ cart }) })
same<Module.Requirements<typeof countChild>, Pricing>()

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
    }),
    mm: Module.map("mm", { needs: { cart }, over: () => [1, 2], output: Schema.Number, run: (i) => Effect.succeed(i) }),
    md: Module.map("md", { over: () => [1, 2], dag: NoInput, input: () => ({}) }),
    r: Module.route("r", { needs: { cart }, branches: ["a", "b"], choose: () => "a" }),
    s: Module.signal("s", { value: Schema.Number }),
    w: Module.sleep("w", { duration: 1 }),
    d: Module.dag("d", { dag: NoInput, input: () => ({}) }),
    o: Module.make("o", { when: where.is("de"), output: Schema.Number, run: () => Effect.succeed(1) })
  }
})
export const inline = Engine.execute(Inline, { cart: aCart })
same<
  EffectA<typeof inline>,
  {
    readonly p: number
    readonly m: number
    readonly i: number
    readonly mm: ReadonlyArray<number>
    readonly md: ReadonlyArray<{ readonly now: number }>
    readonly r: "a" | "b"
    readonly s: number
    readonly w: void
    readonly d: { readonly now: number }
    readonly o: Option.Option<number>
  }
>()
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
