/**
 * Entries in the order in which they came. The first `capacity` of them are accepted; those behind wait for room.
 */
export interface WriteQueue<Entry> {
  readonly size: () => number
  readonly some: (predicate: (entry: Entry) => boolean) => boolean
  readonly offer: (entry: Entry) => void
  /** Forgets an entry that still waits for room; nothing when it was accepted. */
  readonly withdraw: (entry: Entry) => void
  /** At most `max` entries, all of them accepted; those that then have room are accepted at once. */
  readonly take: (max: number) => ReadonlyArray<Entry>
  /** Everything, accepted or not. */
  readonly drain: () => ReadonlyArray<Entry>
}

/** `accept` is called for each entry once, in their order; it may offer further ones. */
export const make = <Entry>(capacity: number, accept: (entry: Entry) => void): WriteQueue<Entry> => {
  const entries: Array<Entry> = []
  let accepted = 0

  const admit = () => {
    // `accepted` is below the length
    while (accepted < capacity && accepted < entries.length) accept(entries[accepted++]!)
  }

  return {
    size: () => entries.length,
    some: (predicate) => entries.some(predicate),
    offer: (entry) => {
      entries.push(entry)
      admit()
    },
    withdraw: (entry) => {
      const at = entries.indexOf(entry, accepted)
      if (at >= 0) entries.splice(at, 1)
    },
    take: (max) => {
      const taken = entries.splice(0, Math.min(max, accepted))
      accepted -= taken.length
      admit()
      return taken
    },
    drain: () => {
      accepted = 0
      return entries.splice(0)
    }
  }
}
