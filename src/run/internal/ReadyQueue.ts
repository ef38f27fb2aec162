/** Entries of one priority, first in, first out; never empty. */
interface Line<A> {
  readonly priority: number
  readonly entries: Array<A>
  /** The first that was not taken: shifting an array costs its length. */
  head: number
}

/**
 * What is ready to start: the highest priority first, and in each priority in the order in which it became ready.
 */
export interface ReadyQueue<A> {
  readonly offer: (entry: A, priority: number) => void
  readonly take: () => A | undefined
  /** What was taken comes before those that it `isBefore` again. */
  readonly putBack: (entry: A, priority: number, isBefore: (other: A) => boolean) => void
  readonly isEmpty: () => boolean
}

export const make = <A>(): ReadyQueue<A> => {
  /** The highest priority comes last. */
  const lines: Array<Line<A>> = []

  const lineOf = (priority: number): Line<A> => {
    let at = 0
    for (let end = lines.length; at < end;) {
      const middle = (at + end) >>> 1
      // `middle` is below the length
      if (lines[middle]!.priority < priority) at = middle + 1
      else end = middle
    }
    const found = lines[at]
    if (found !== undefined && found.priority === priority) return found
    const line: Line<A> = { priority, entries: [], head: 0 }
    lines.splice(at, 0, line)
    return line
  }

  return {
    offer: (entry, priority) => void lineOf(priority).entries.push(entry),
    take: () => {
      const line = lines.at(-1)
      if (line === undefined) return undefined
      const entry = line.entries[line.head++]
      if (line.head === line.entries.length) lines.pop()
      return entry
    },
    putBack: (entry, priority, isBefore) => {
      const { entries, head } = lineOf(priority)
      let at = head
      // `at` is below the length
      while (at < entries.length && !isBefore(entries[at]!)) at++
      entries.splice(at, 0, entry)
    },
    isEmpty: () => lines.length === 0
  }
}
