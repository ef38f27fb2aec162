import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { ModuleStatus } from "heddle"

type Status = ModuleStatus.ModuleStatus

const statuses = ModuleStatus.ModuleStatus.literals

/** What may follow within one attempt. */
const later: { readonly [S in Status]: ReadonlyArray<Status> } = {
  pending: ["scheduled", "running", "suspended", "completed", "failed", "skipped", "cancelled"],
  scheduled: ["running", "suspended", "completed", "failed", "skipped", "cancelled"],
  running: ["suspended", "completed", "failed", "skipped", "cancelled"],
  suspended: ["completed", "failed", "skipped", "cancelled"],
  completed: [],
  failed: [],
  skipped: [],
  cancelled: []
}

const final: ReadonlyArray<Status> = ["completed", "failed", "skipped", "cancelled"]

describe("ModuleStatus", () => {
  it("has eight statuses, and refuses any other", () => {
    assert.sameMembers([...statuses], Object.keys(later))
    const is = Schema.is(ModuleStatus.ModuleStatus)
    for (const status of statuses) assert.isTrue(is(status))
    for (const other of ["", "done", "Completed", 1, null, undefined]) assert.isFalse(is(other))
  })

  it("four of them are final", () => {
    for (const status of statuses) assert.strictEqual(ModuleStatus.isFinal(status), final.includes(status), status)
  })

  for (const previous of statuses) {
    it(`what may follow ${previous}`, () => {
      for (const next of statuses) {
        for (const from of [0, 1, 2, 7]) {
          for (const to of [0, 1, 2, 3, 8]) {
            const follows = ModuleStatus.canFollow({ status: previous, attempt: from }, { status: next, attempt: to })
            const expected = final.includes(previous) ? false : to === from ? later[previous].includes(next) : to > from
            assert.strictEqual(follows, expected, `${next}, attempt ${to} after ${from}`)
          }
        }
      }
    })
  }

  it("is an order: nothing follows itself, and what follows a follower follows", () => {
    const all = statuses.flatMap((status) => [0, 1, 2].map((attempt) => ({ status, attempt })))
    for (const a of all) {
      assert.isFalse(ModuleStatus.canFollow(a, a))
      for (const b of all) {
        if (!ModuleStatus.canFollow(a, b)) continue
        assert.isFalse(ModuleStatus.canFollow(b, a))
        for (const c of all) if (ModuleStatus.canFollow(b, c)) assert.isTrue(ModuleStatus.canFollow(a, c))
      }
    }
  })
})
