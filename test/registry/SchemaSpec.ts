import { FastCheck as fc, Schema } from "effect"

/** A schema as plain data, so that it can be edited. */
export type Spec =
  | { readonly kind: "plain"; readonly of: keyof typeof plain }
  | { readonly kind: "literal"; readonly of: ReadonlyArray<string | number | boolean> }
  | { readonly kind: "bounds"; readonly of: "text" | "number" | "items"; readonly min: number; readonly max: number }
  | { readonly kind: "list"; readonly of: ListKind; readonly item: Spec }
  | {
      readonly kind: "tuple"
      readonly items: ReadonlyArray<Spec>
      readonly optional: number
      readonly rest: Spec | null
    }
  | { readonly kind: "struct"; readonly fields: Fields; readonly as: StructKind; readonly rest: Spec | null }
  | { readonly kind: "union"; readonly of: ReadonlyArray<Spec> }
  | { readonly kind: "recursive"; readonly fields: Fields }

type ListKind = "Array" | "Chunk" | "Option" | "NullOr" | "parseJson" | "Ensure" | "Set" | "Map"
type StructKind = "plain" | "exact" | "strict" | "preserving" | "class" | "filtered" | "other class"
export type FieldKind = "required" | "optional" | "exact" | "default" | "option" | "nullable" | "renamed"
export type Fields = { readonly [name: string]: { readonly kind: FieldKind; readonly of: Spec } }

type Any = Schema.Schema<any, any>

const plain = {
  String: Schema.String,
  Number: Schema.Number,
  Boolean: Schema.Boolean,
  Null: Schema.Null,
  Undefined: Schema.Undefined,
  Unknown: Schema.Unknown,
  Object: Schema.Object,
  Int: Schema.Int,
  Even: Schema.Int.pipe(Schema.filter((n) => n % 2 === 0, { identifier: "Even" })),
  EvenInt: Schema.Number.pipe(
    Schema.filter((n) => n % 2 === 0, { identifier: "Even" }),
    Schema.int()
  ),
  NumberFromString: Schema.NumberFromString,
  Positive: Schema.NumberFromString.pipe(Schema.positive()),
  Trim: Schema.Trim,
  Date: Schema.Date,
  Empty: Schema.Struct({}),
  Fruit: Schema.Enums({ Apple: "apple", Pear: "pear" } as const),
  Template: Schema.TemplateLiteral("a", Schema.Number),
  Symbols: Schema.Record({ key: Schema.SymbolFromSelf, value: Schema.Number })
}

const list = (of: ListKind, item: Any): Any => {
  switch (of) {
    case "Array":
      return Schema.Array(item)
    case "Chunk":
      return Schema.Chunk(item)
    case "Option":
      return Schema.Option(item)
    case "NullOr":
      return Schema.NullOr(item)
    case "parseJson":
      return Schema.parseJson(item)
    case "Ensure":
      return Schema.ArrayEnsure(item)
    case "Set":
      return Schema.HashSet(item)
    case "Map":
      return Schema.HashMap({ key: Schema.String, value: item })
  }
}

const field = (kind: FieldKind, of: Any) => {
  switch (kind) {
    case "required":
      return of
    case "optional":
      return Schema.optional(of)
    case "exact":
      return Schema.optionalWith(of, { exact: true })
    case "option":
      return Schema.optionalWith(of, { as: "Option" })
    case "nullable":
      return Schema.optionalWith(of, { nullable: true })
    case "renamed":
      return Schema.propertySignature(of).pipe(Schema.fromKey("e"))
    case "default":
      return Schema.optionalWith(Schema.NullOr(of), { default: () => null }).annotations({ identifier: "Null" })
  }
}

const struct = (fields: Fields, as: StructKind, rest: Spec | null): Any => {
  const made = Object.fromEntries(
    Object.entries(fields).map(([name, { kind, of }]) => [name, field(kind, build(of))])
  ) as Schema.Struct.Fields
  const plain = (rest === null
    ? Schema.Struct(made)
    : Schema.Struct(made, { key: Schema.String, value: build(rest) })) as unknown as Any
  const annotated = (options: object) => plain.annotations({ parseOptions: options })
  switch (as) {
    case "plain":
      return plain
    case "exact":
      return annotated({ exact: true })
    case "strict":
      return annotated({ onExcessProperty: "error" })
    case "preserving":
      return annotated({ onExcessProperty: "preserve" })
    case "class":
      return class Some extends Schema.Class<Some>("Some")(made as {}) {}
    case "other class":
      return class Other extends Schema.Class<Other>("Other")(made as {}) {}
    case "filtered":
      return plain.pipe(Schema.filter((it) => Object.keys(it as object).length % 2 === 0, { identifier: "Paired" }))
  }
}

export const build = (spec: Spec): Any => {
  switch (spec.kind) {
    case "plain":
      return plain[spec.of]
    case "literal":
      return Schema.Literal(...spec.of)
    case "bounds": {
      const [min, max] = [spec.min, Math.max(spec.min, spec.max)]
      if (spec.of === "text") return Schema.String.pipe(Schema.minLength(min), Schema.maxLength(max))
      if (spec.of === "number") return Schema.Number.pipe(Schema.between(min, max))
      return Schema.Array(Schema.String).pipe(Schema.minItems(min), Schema.maxItems(max))
    }
    case "list":
      return list(spec.of, build(spec.item))
    case "tuple": {
      const required = spec.items.length - spec.optional
      const items = spec.items.map((item, at) => (at < required ? build(item) : Schema.optionalElement(build(item))))
      return spec.rest === null ? Schema.Tuple(...items) : Schema.Tuple(items, build(spec.rest))
    }
    case "struct":
      return struct(spec.fields, spec.as, spec.rest)
    case "union":
      return Schema.Union(...spec.of.map(build))
    case "recursive": {
      const self: Any = Schema.suspend(() => whole)
      const fields = Object.entries(spec.fields).map(([name, { kind, of }]) => [name, field(kind, build(of))] as const)
      const whole = Schema.Struct({
        ...Object.fromEntries(fields),
        next: Schema.NullOr(self)
      } as Schema.Struct.Fields) as unknown as Any
      return whole
    }
  }
}

const names = ["a", "b", "c", "d"] as const
const fieldKinds: ReadonlyArray<FieldKind> = [
  "required",
  "optional",
  "exact",
  "default",
  "option",
  "nullable",
  "renamed"
]
const fieldKind = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<FieldKind>("required", "optional") },
  { weight: 1, arbitrary: fc.constantFrom(...fieldKinds) }
)
const literal = fc.constantFrom<string | number | boolean>("x", "y", "z", 1, 2, true)
const least = fc.integer({ min: 0, max: 2 })
const most = fc.integer({ min: 2, max: 4 })

const fieldsOf = (of: fc.Arbitrary<Spec>): fc.Arbitrary<Fields> =>
  fc
    .uniqueArray(fc.tuple(fc.constantFrom(...names), fieldKind, of), { selector: ([name]) => name, maxLength: 3 })
    .map((fields) => Object.fromEntries(fields.map(([name, kind, of]) => [name, { kind, of }])))

const structKind = fc.oneof(
  { weight: 6, arbitrary: fc.constant<StructKind>("plain") },
  {
    weight: 3,
    arbitrary: fc.constantFrom<StructKind>("exact", "strict", "preserving", "class", "filtered", "other class")
  }
)

export const spec: fc.Arbitrary<Spec> = fc.letrec<{ spec: Spec; leaf: Spec }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom(...(Object.keys(plain) as Array<keyof typeof plain>)).map((of): Spec => ({ kind: "plain", of })),
    fc.uniqueArray(literal, { minLength: 1, maxLength: 3 }).map((of): Spec => ({ kind: "literal", of })),
    fc
      .tuple(fc.constantFrom("text" as const, "number" as const, "items" as const), least, most)
      .map(([of, min, max]): Spec => ({ kind: "bounds", of, min, max }))
  ),
  spec: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 3, arbitrary: tie("leaf") },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.constantFrom<ListKind>("Array", "Chunk", "Option", "NullOr", "parseJson", "Ensure", "Set", "Map"),
          tie("spec")
        )
        .map(([of, item]): Spec => ({ kind: "list", of, item }))
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.array(tie("spec"), { maxLength: 3 }), fc.nat(1), fc.option(tie("spec"), { nil: null }))
        .map(([items, optional, rest]): Spec => ({
          kind: "tuple",
          items,
          optional: Math.min(optional, items.length),
          rest
        }))
    },
    {
      weight: 4,
      arbitrary: fc
        .tuple(fieldsOf(tie("spec")), structKind, fc.option(tie("spec"), { nil: null, freq: 6 }))
        .map(([fields, as, rest]): Spec => ({ kind: "struct", fields, as, rest }))
    },
    {
      weight: 2,
      arbitrary: fc.array(tie("spec"), { minLength: 2, maxLength: 3 }).map((of): Spec => ({ kind: "union", of }))
    },
    { weight: 1, arbitrary: fieldsOf(tie("leaf")).map((fields): Spec => ({ kind: "recursive", fields })) }
  )
})).spec

/** What is done to a spec at one of its places, counted from the outside. */
export interface Edit {
  readonly at: number
  readonly how: number
  readonly name: string
  readonly kind: FieldKind
  readonly with: Spec
}

export const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(6),
  how: fc.nat(9),
  name: fc.constantFrom(...names),
  kind: fieldKind,
  with: spec
})

const nullOr = (item: Spec): Spec => ({ kind: "list", of: "NullOr", item })

const here = (spec: Spec, { how, kind, name, with: other }: Edit): Spec => {
  if (how === 0) return other
  if (how === 1) return nullOr(spec)
  if (how === 2) return { kind: "union", of: [spec, other] }
  if (how === 3) return { kind: "union", of: [other, spec] }
  switch (spec.kind) {
    case "plain":
      if (spec.of === "NumberFromString" || spec.of === "Trim") return { kind: "plain", of: "String" }
      if (spec.of === "Positive") return { kind: "plain", of: "NumberFromString" }
      if (spec.of === "Even") return { kind: "plain", of: how < 7 ? "EvenInt" : "Int" }
      return { kind: "plain", of: how < 7 ? "Unknown" : "Number" }
    case "literal":
      if (how < 6) return { kind: "literal", of: [...new Set([...spec.of, name])] }
      return how < 8 ? { kind: "plain", of: "String" } : { kind: "literal", of: spec.of.slice(0, 1) }
    case "bounds":
      return how < 6
        ? { ...spec, min: Math.max(0, spec.min - 1), max: spec.max + 1 }
        : how < 8
          ? { ...spec, min: spec.min + 1 }
          : { kind: "plain", of: "String" }
    case "list":
      return how < 6 ? spec.item : { ...spec, of: how < 8 ? "Array" : "Chunk" }
    case "tuple":
      if (how < 6) {
        return {
          ...spec,
          items: [...spec.items, other],
          optional: spec.optional + (how === 4 && spec.optional > 0 ? 1 : 0)
        }
      }
      if (how < 8) return { ...spec, rest: spec.rest === null ? other : null }
      return {
        ...spec,
        items: spec.items.slice(1),
        optional: Math.min(spec.optional, Math.max(0, spec.items.length - 1))
      }
    case "recursive":
    case "struct": {
      const { [name]: known, ...rest } = spec.fields
      if (spec.kind === "struct" && how === 9) return { ...spec, as: other.kind === "plain" ? "strict" : "plain" }
      if (spec.kind === "struct" && how === 8) return { ...spec, rest: spec.rest === null ? other : null }
      if (known === undefined) return { ...spec, fields: { ...rest, [name]: { kind, of: other } } }
      return { ...spec, fields: how < 6 ? rest : { ...rest, [name]: { kind, of: known.of } } }
    }
    case "union":
      return how < 6 ? { ...spec, of: spec.of.slice(1) } : { ...spec, of: [...spec.of].reverse() }
  }
}

/** The spec with one place of it edited, the one that the edit's number leads to. */
export const apply = (spec: Spec, edit: Edit): Spec => {
  let left = edit.at
  const walk = (spec: Spec): Spec => {
    if (left-- === 0) return here(spec, edit)
    switch (spec.kind) {
      case "list":
        return { ...spec, item: walk(spec.item) }
      case "tuple":
        return { ...spec, items: spec.items.map(walk) }
      case "union":
        return { ...spec, of: spec.of.map(walk) }
      case "recursive":
      case "struct":
        return {
          ...spec,
          fields: Object.fromEntries(
            Object.entries(spec.fields).map(([name, { kind, of }]) => [name, { kind, of: walk(of) }])
          )
        }
      default:
        return spec
    }
  }
  const edited = walk(spec)
  return left >= 0 ? here(spec, edit) : edited
}
