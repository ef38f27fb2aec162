/**
 * Entries in the order in which they came. The first `capacity` of them are accepted; those behind wait for room.
 */
export interface WriteQueue<Entry> {
  readonly first: () => Entry | undefined
  /** Those that are accepted, in their order. */
  readonly accepted: () => ReadonlyArray<Entry>
  readonly offer: (entry: Entry) => void
  /** Forgets an entry that still waits for room; nothing when it was accepted. */
  readonly withdraw: (entry: Entry) => void
  /** At most `max` entries, all of them accepted. */
  readonly take: (max: number) => ReadonlyArray<Entry>
  /** Takes out those that are concerned, accepted or not. */
  readonly remove: (concerns: (entry: Entry) => boolean) => ReadonlyArray<Entry>
  /** Accepts those that have room now. */
  readonly admit: () => void
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
    first: () => entries[0],
    accepted: () => entries.slice(0, accepted),
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
      return taken
    },
    remove: (concerns) => {
      const removed = entries.filter(concerns)
      if (removed.length === 0) return removed
      accepted -= entries.slice(0, accepted).filter(concerns).length
      const left = entries.filter((entry) => !concerns(entry))
      entries.splice(0, entries.length, ...left)
      return removed
    },
    admit,
    drain: () => {
      accepted = 0
      return entries.splice(0)
    }
  }
}
