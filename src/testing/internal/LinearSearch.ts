import * as MutableHashSet from "effect/MutableHashSet"
import type * as Option from "effect/Option"

/** What the search needs to know of an operation. */
export interface Interval {
  readonly invoked: number
  /** Infinity when there was no response. */
  readonly responded: number
}

/** An invocation or a response, in a list from which what is linearized is taken out. */
interface Entry {
  /** The index of its operation. */
  readonly id: number
  readonly at: number
  /** Of an invocation: the entry of the response, when there is one. */
  readonly response: Entry | undefined
  readonly isInvocation: boolean
  previous: Entry
  next: Entry
}

export type Found =
  /** All operations with a response, and as many of the others as it takes, in an order that the model allows. */
  | { readonly _tag: "Linearizable"; readonly order: ReadonlyArray<number> }
  /** Up to the response of `misfit` there is such an order, and with it there is none. */
  | { readonly _tag: "NotLinearizable"; readonly order: ReadonlyArray<number>; readonly misfit: number }
  | { readonly _tag: "Undecided" }

/**
 * The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) as Lowe improved it ("Testing for
 * linearizability", 2017): depth first, in the list of events by time. Any operation that was invoked before the first
 * response in the list may be the next one. Which operations are linearized and the state that they lead to are all that
 * the rest of the search depends on, so no such configuration is visited twice.
 */
export const search = <State>(
  intervals: ReadonlyArray<Interval>,
  init: State,
  step: (state: State, id: number) => Option.Option<State>,
  maxConfigurations: number
): Found => {
  const head = listOf(intervals)
  const taken = takenOf(intervals)
  let open = intervals.filter(hasResponse).length

  const visited = new Map<string, MutableHashSet.MutableHashSet<State>>()
  let configurations = 0
  /** False when it was visited before. */
  const visit = (state: State): boolean => {
    const key = taken.key()
    let states = visited.get(key)
    if (states === undefined) visited.set(key, (states = MutableHashSet.empty()))
    else if (MutableHashSet.has(states, state)) return false
    MutableHashSet.add(states, state)
    configurations++
    return true
  }

  const path: Array<{ readonly entry: Entry; readonly before: State }> = []
  const order = () => path.map(({ entry }) => entry.id)
  let state = init
  /** The last response that could not be passed, and the shortest way to it. */
  let furthest = { at: -Infinity, misfit: -1, order: order() }

  let entry = head.next
  while (open > 0) {
    if (entry.isInvocation) {
      const next = step(state, entry.id)
      if (next._tag === "None") {
        entry = entry.next
        continue
      }
      taken.add(entry.id)
      if (!visit(next.value)) {
        taken.remove(entry.id)
        entry = entry.next
        continue
      }
      if (configurations > maxConfigurations) return { _tag: "Undecided" }
      path.push({ entry, before: state })
      state = next.value
      takeOut(entry)
      if (entry.response !== undefined) {
        takeOut(entry.response)
        open--
      }
      entry = head.next
    } else {
      // what is open has its response in the list, so this comes before the end of the list
      const { at, id } = entry
      if (at > furthest.at || (at === furthest.at && path.length < furthest.order.length)) {
        furthest = { at, misfit: id, order: order() }
      }
      const last = path.pop()
      if (last === undefined) return { _tag: "NotLinearizable", order: furthest.order, misfit: furthest.misfit }
      state = last.before
      taken.remove(last.entry.id)
      if (last.entry.response !== undefined) {
        putBack(last.entry.response)
        open++
      }
      putBack(last.entry)
      entry = last.entry.next
    }
  }
  return { _tag: "Linearizable", order: order() }
}

const hasResponse = ({ responded }: Interval) => responded !== Infinity

/**
 * Which operations are linearized, and a text that is the same when they are. Of those with a response nearly all that
 * were invoked before some time are, and none long after it, so the text is short.
 */
const takenOf = (intervals: ReadonlyArray<Interval>) => {
  const ranks = new Map<number, number>()
  Array.from(intervals.keys())
    .filter((id) => hasResponse(intervals[id]!))
    .sort((a, b) => intervals[a]!.invoked - intervals[b]!.invoked)
    .forEach((id, rank) => ranks.set(id, rank))
  const taken = new Uint8Array(ranks.size)
  let count = 0
  /** All before are taken. */
  let first = 0
  const pending = new Set<number>()
  return {
    add: (id: number) => {
      const rank = ranks.get(id)
      if (rank === undefined) return void pending.add(id)
      taken[rank] = 1
      count++
      while (taken[first] === 1) first++
    },
    remove: (id: number) => {
      const rank = ranks.get(id)
      if (rank === undefined) return void pending.delete(id)
      taken[rank] = 0
      count--
      first = Math.min(first, rank)
    },
    key: (): string => {
      let key = `${first}`
      for (let rank = first, left = count - first; left > 0; rank++) {
        if (taken[rank] === 0) continue
        key += `,${rank}`
        left--
      }
      for (const id of Array.from(pending).sort((a, b) => a - b)) key += `;${id}`
      return key
    }
  }
}

/** The events by time; of those at the same time the invocations come first, as what is not after another overlaps it. */
const listOf = (intervals: ReadonlyArray<Interval>): Entry => {
  const entryOf = (id: number, at: number, response?: Entry, isInvocation = false) => {
    const entry = { id, at, response, isInvocation } as Entry
    entry.previous = entry.next = entry
    return entry
  }
  const entries = intervals.flatMap(({ invoked, responded }, id) => {
    if (responded === Infinity) return [entryOf(id, invoked, undefined, true)]
    const response = entryOf(id, responded)
    return [entryOf(id, invoked, response, true), response]
  })
  entries.sort((a, b) => a.at - b.at || Number(b.isInvocation) - Number(a.isInvocation))
  const head = entryOf(-1, -Infinity)
  for (const entry of entries) {
    entry.previous = head.previous
    entry.next = head
    putBack(entry)
  }
  return head
}

const takeOut = ({ next, previous }: Entry) => {
  previous.next = next
  next.previous = previous
}

/** Where it was: entries are put back in the reverse of the order in which they were taken out. */
const putBack = (entry: Entry) => {
  entry.previous.next = entry
  entry.next.previous = entry
}
