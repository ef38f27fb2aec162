/** A first-in-first-out queue that costs nothing to shift. */
interface Line<A> {
  readonly priority: number
  entries: Array<A>
  head: number
  announced: number
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
  /** Each entry that is still here, once. */
  readonly announce: (visit: (entry: A) => void) => void
}

export const make = <A>(): ReadyQueue<A> => {
  const lines: Array<Line<A>> = []

  const lineOf = (priority: number): Line<A> => {
    let at = 0
    while (at < lines.length && lines[at]!.priority > priority) at++
    const found = lines[at]
    if (found !== undefined && found.priority === priority) return found
    const line: Line<A> = { priority, entries: [], head: 0, announced: 0 }
    lines.splice(at, 0, line)
    return line
  }

  return {
    offer: (entry, priority) => void lineOf(priority).entries.push(entry),
    take: () => {
      for (const line of lines) {
        if (line.head === line.entries.length) continue
        const entry = line.entries[line.head++]!
        if (line.head === line.entries.length) {
          line.entries = []
          line.head = 0
          line.announced = 0
        }
        return entry
      }
      return undefined
    },
    putBack: (entry, priority, isBefore) => {
      const line = lineOf(priority)
      let at = line.head
      while (at < line.entries.length && !isBefore(line.entries[at]!)) at++
      line.entries.splice(at, 0, entry)
      if (at < line.announced) line.announced++
    },
    isEmpty: () => lines.every((line) => line.head === line.entries.length),
    announce: (visit) => {
      for (const line of lines) {
        line.announced = Math.max(line.announced, line.head)
        while (line.announced < line.entries.length) visit(line.entries[line.announced++]!)
      }
    }
  }
}
