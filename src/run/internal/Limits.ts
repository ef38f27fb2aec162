import * as ReadyQueue from "./ReadyQueue.js"

/** Whoever waits for permits: all its modules share one turn. */
export type Party = object

/**
 * Named limits on how many modules run at once of one engine, whichever run they belong to. Those who wait
 * take turns, in the order in which they began to; within a party the highest priority comes first.
 */
export interface Limits {
  readonly has: (name: string) => boolean
  /** `granted` is called once a permit is the caller's: at once where one is free. */
  readonly take: (name: string, party: Party, priority: number, granted: () => void) => void
  readonly release: (name: string) => void
  /** Whatever this party waits for, it waits no longer. */
  readonly withdraw: (party: Party) => void
}

interface Limit {
  free: number
  /** In the order of their turns. */
  readonly parties: Map<Party, ReadyQueue.ReadyQueue<() => void>>
}

export const make = (permits: { readonly [name: string]: number }): Limits => {
  const limits = new Map(
    Object.entries(permits).map(([name, free]): [string, Limit] => [name, { free, parties: new Map() }])
  )

  const limitOf = (name: string): Limit => {
    const limit = limits.get(name)
    if (limit === undefined) throw new Error(`there is no limit "${name}"`)
    return limit
  }

  /** Grants what is free; a grant may take or release in turn. */
  const serve = (limit: Limit) => {
    while (limit.free > 0) {
      const turn = limit.parties.entries().next()
      if (turn.done === true) return
      const [party, waiting] = turn.value
      limit.parties.delete(party)
      const granted = waiting.take()
      if (granted === undefined) continue
      if (!waiting.isEmpty()) limit.parties.set(party, waiting)
      limit.free--
      granted()
    }
  }

  return {
    has: (name) => limits.has(name),
    take: (name, party, priority, granted) => {
      const limit = limitOf(name)
      let waiting = limit.parties.get(party)
      if (waiting === undefined) limit.parties.set(party, (waiting = ReadyQueue.make()))
      waiting.offer(granted, priority)
      serve(limit)
    },
    release: (name) => {
      const limit = limitOf(name)
      limit.free++
      serve(limit)
    },
    withdraw: (party) => {
      for (const limit of limits.values()) limit.parties.delete(party)
    }
  }
}
