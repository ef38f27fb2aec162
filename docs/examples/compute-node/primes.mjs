/** What the workers run: a module of plain JavaScript, which imports nothing of Heddle. */

const isPrime = (n) => {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false
  return n > 1
}

/** How many primes there are from `from` up to, and without, `to`. */
export const count = ({ from, to }) => {
  if (to - from > 1_000_000) throw { _tag: "RangeTooLarge", from, to }
  let primes = 0
  for (let n = from; n < to; n++) if (isPrime(n)) primes++
  return primes
}
