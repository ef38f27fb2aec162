/**
 * Whatever is asked of a store, in whatever order, it answers as a plain model does.
 */
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import { type Entry, StateStore } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { equal, isTrue, sameMembers } from "./Expect.js"
import { at } from "./Moment.js"
import { type Options, property } from "./Property.js"

// some of them begin with others, and the order of their bytes is not that of UTF-16
const keys = ["k", "k%", "k\uffee", "k😀", "__proto__"]

/** What is asked; a version is given by when it was seen, counted backwards: 0 is the latest of all keys. */
type Operation =
  | { readonly _tag: "get" | "delete"; readonly key: string }
  | { readonly _tag: "set"; readonly key: string; readonly value: string; readonly ttl: number | undefined }
  | {
      readonly _tag: "compareAndSet"
      readonly key: string
      readonly expected: "present" | "nothing" | number
      readonly value: string
      readonly ttl: number | undefined
    }
  | { readonly _tag: "getMany"; readonly keys: ReadonlyArray<string> }
  | { readonly _tag: "list"; readonly prefix: string; readonly after: string | undefined; readonly limit: number }
  | { readonly _tag: "wait"; readonly millis: number }

const { array, constant, constantFrom, integer, oneof, option, record, string } = FastCheck

const key = constantFrom(...keys)
const value = oneof(constantFrom("a", "b"), string({ unit: "grapheme" }))
const ttl = option(integer({ min: 1, max: 20 }), { nil: undefined, freq: 2 })
const expected = oneof(
  { weight: 3, arbitrary: constant("present" as const) },
  { weight: 1, arbitrary: constant("nothing" as const) },
  { weight: 2, arbitrary: integer({ min: 0, max: 5 }) }
)

const anyOperation: FastCheck.Arbitrary<Operation> = oneof(
  record({ _tag: constantFrom("get" as const, "delete" as const), key }),
  record({ _tag: constant("set" as const), key, value, ttl }),
  record({ _tag: constant("compareAndSet" as const), key, expected, value, ttl }),
  record({ _tag: constant("getMany" as const), keys: array(key, { maxLength: 4 }) }),
  record({
    _tag: constant("list" as const),
    prefix: constantFrom("", "k", "k%", "k\uffee", "k😀", "_", "l"),
    after: constantFrom(undefined, "", "k", "k0", "k\uffff", ...keys),
    limit: integer({ min: 0, max: 6 })
  }),
  record({ _tag: constant("wait" as const), millis: integer({ min: 1, max: 10 }) })
)

interface Modelled extends Entry {
  readonly expiresAt: number
}

export const checks = (options: Options): ReadonlyArray<Check.Check<StateStore>> =>
  Check.group("any operations", {
    "are answered as by a model": property(
      options,
      array(anyOperation, { maxLength: 40, size: "max" }),
      (operations, index) =>
        Effect.gen(function* () {
          const store = yield* StateStore
          const base = index === 0 ? "" : `${index}/`
          const nameOf = (key: string) => `${base}${key}`
          const model = new Map<string, Modelled>()
          const versions: Array<number> = []
          let now = 1000

          const present = (key: string): Entry | undefined => {
            const entry = model.get(key)
            return entry === undefined || entry.expiresAt <= now
              ? undefined
              : { value: entry.value, version: entry.version }
          }
          const put = ({ key, ttl, value }: { key: string; ttl: number | undefined; value: string }, version: number) =>
            Effect.gen(function* () {
              yield* isTrue(
                Number.isSafeInteger(version) && version > 0 && !versions.includes(version),
                `${version} is new`
              )
              versions.push(version)
              model.set(key, { value, version, expiresAt: now + (ttl ?? Infinity) })
            })

          for (const operation of operations) {
            switch (operation._tag) {
              case "get": {
                const entry = yield* at(now)(store.get(nameOf(operation.key)))
                yield* equal(entry, Option.fromNullable(present(operation.key)), `get of ${operation.key}`)
                break
              }
              case "delete": {
                const was = yield* at(now)(store.delete(nameOf(operation.key)))
                yield* equal(was, present(operation.key) !== undefined, `delete of ${operation.key}`)
                model.delete(operation.key)
                break
              }
              case "getMany": {
                const found = yield* at(now)(store.getMany(operation.keys.map(nameOf)))
                const expected = new Map<string, Entry>()
                for (const key of operation.keys) {
                  const entry = present(key)
                  if (entry !== undefined) expected.set(nameOf(key), entry)
                }
                yield* sameMembers(found, expected, `getMany of ${operation.keys.join(", ")}`)
                break
              }
              case "list": {
                const { after, limit, prefix } = operation
                const found = yield* at(now)(
                  store.list({ prefix: nameOf(prefix), limit, after: after && nameOf(after) })
                )
                const expected = [...keys]
                  .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
                  .filter(
                    (key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(after ?? "")) > 0
                  )
                  .flatMap((key) => {
                    const entry = present(key)
                    return entry === undefined ? [] : [{ key: nameOf(key), ...entry }]
                  })
                yield* equal(found, expected.slice(0, limit), `list of ${JSON.stringify({ prefix, after, limit })}`)
                break
              }
              case "set": {
                yield* put(
                  operation,
                  yield* at(now)(store.set(nameOf(operation.key), operation.value, { ttl: operation.ttl }))
                )
                break
              }
              case "compareAndSet": {
                const is = present(operation.key)?.version ?? 0
                const expected =
                  operation.expected === "present"
                    ? is
                    : operation.expected === "nothing"
                      ? 0
                      : (versions[versions.length - 1 - operation.expected] ?? 1)
                const version = yield* at(now)(
                  store.compareAndSet(nameOf(operation.key), expected, operation.value, { ttl: operation.ttl })
                )
                yield* equal(
                  Option.isSome(version),
                  is === expected,
                  `whether ${expected} was there of ${operation.key}`
                )
                if (Option.isSome(version)) yield* put(operation, version.value)
                break
              }
              case "wait":
                now += operation.millis
            }
          }
          for (const key of keys) {
            yield* equal(yield* at(now)(store.get(nameOf(key))), Option.fromNullable(present(key)), `${key} at the end`)
          }
        })
    )
  })
