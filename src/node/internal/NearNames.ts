/** Names that somebody may have meant. */

/** How many characters have to be put in, left out or changed to make one text of the other (Levenshtein). */
const distance = (a: string, b: string): number => {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min(changed, previous[j]! + 1, current[j - 1]! + 1))
    }
    previous = current
  }
  return previous[b.length]!
}

/** At most three of the names, the nearest first: those of which a third or less differs, in whatever case. */
export const nearest = (name: string, names: Iterable<string>): ReadonlyArray<string> =>
  Array.from(names, (other) => ({ other, far: distance(name.toLowerCase(), other.toLowerCase()) }))
    .filter(({ far, other }) => far <= Math.max(name.length, other.length) / 3)
    .sort((a, b) => a.far - b.far || (a.other < b.other ? -1 : 1))
    .slice(0, 3)
    .map(({ other }) => other)
