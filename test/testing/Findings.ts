/** What the checks of a contract find in stores that are broken on purpose. */
import { assert, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { StoreError } from "heddle"
import { RunStoreContract } from "heddle/testing"
import { isDeepStrictEqual } from "node:util"

/** `found`: how the names begin of the checks that state the promise which is broken. */
interface Fault<Change> {
  readonly fault: string
  readonly change: Change
  readonly found: ReadonlyArray<string>
}

interface Options<Store, Change> {
  readonly checks: ReadonlyArray<RunStoreContract.Check<Store>>
  readonly faults: ReadonlyArray<Fault<Change>>
  readonly broken: (change: Change) => Layer.Layer<Store, StoreError>
  /** Whether the beginning of a name stands for one check only. */
  readonly isExact?: boolean
}

const nameOf = ({ group, name }: { readonly group: string; readonly name: string }) => `${group}: ${name}`

/** Each fault is found by the checks that it names, and each check finds one of the faults. */
export const tests = <Store, Change>({ broken, checks, faults, isExact = false }: Options<Store, Change>): void => {
  /** The checks whose names begin so: at least one. */
  const named = (prefix: string) => {
    const found = checks.filter((check) => nameOf(check).startsWith(prefix))
    if (isExact) assert.lengthOf(found, 1, prefix)
    assert.isNotEmpty(found, prefix)
    return found
  }

  for (const { change, fault, found } of faults) {
    it.effect(`finds a store that ${fault}`, () =>
      Effect.gen(function* () {
        assert.isNotEmpty(found)
        for (const check of found.flatMap(named)) {
          const violation = yield* Effect.flip(Effect.provide(check.check, broken(change))).pipe(
            Effect.orElseFail(() => nameOf(check))
          )
          assert.instanceOf(violation, RunStoreContract.ContractViolation, nameOf(check))
          assert.strictEqual(violation.check, nameOf(check))
          assert.isFalse(isDeepStrictEqual(violation.actual, violation.expected))
          assert.include(violation.message, nameOf(check))
        }
      })
    )
  }

  it("has no check that finds none of them", () => {
    const finding = new Set(faults.flatMap(({ found }) => found.flatMap(named)))
    assert.deepStrictEqual(checks.filter((check) => !finding.has(check)).map(nameOf), [])
  })
}
