/**
 * A breaker as one would explain it to somebody: it remembers every call since its last change of status, and counts them
 * anew each time. For comparison with `CircuitBreaker`.
 */
import type * as CircuitBreaker from "heddle/node/CircuitBreaker"

export interface Policy {
  readonly failureThreshold: number | undefined
  readonly failureRate: number | undefined
  readonly slowRate: number | undefined
  readonly window: { readonly calls: number } | { readonly duration: number }
  readonly minimumCalls: number
  readonly resetAfter: number
  readonly halfOpenProbes: number
  readonly closeAfter: number
  readonly probeExpiry: number
}

interface Counted {
  readonly at: number
  gone: boolean
  readonly failed: boolean
  readonly slow: boolean
}

interface Out {
  readonly call: number
  readonly until: number
}

export class BreakerModel {
  private status: CircuitBreaker.Status = "closed"
  private generation = 0
  /** Of every call that was let through: in which generation. */
  private readonly admitted = new Map<number, number>()
  private counted: Array<Counted> = []
  private until: number | undefined
  private out: Array<Out> = []
  private good = 0

  constructor(private readonly policy: Policy) {}

  private change(status: CircuitBreaker.Status, until?: number) {
    this.status = status
    this.until = until
    this.generation++
    this.counted = []
    this.out = []
    this.good = 0
  }

  /** The answer to a call: let through, or when to come back. */
  ask(call: number, now: number): "admitted" | { readonly retryAfter: number | undefined } {
    const { halfOpenProbes, probeExpiry, resetAfter } = this.policy
    if (this.status === "open") {
      if (this.until === undefined) return { retryAfter: undefined }
      if (now < this.until) {
        if (this.until - now > resetAfter) this.until = now + resetAfter
        return { retryAfter: this.until - now }
      }
      this.change("halfOpen")
    }
    if (this.status === "halfOpen") {
      this.out = this.out.filter(({ until }) => now < until && until - now <= probeExpiry)
      if (this.out.length === halfOpenProbes) {
        return { retryAfter: Math.min(resetAfter, ...this.out.map(({ until }) => until - now)) }
      }
      this.out.push({ call, until: now + probeExpiry })
    }
    this.admitted.set(call, this.generation)
    return "admitted"
  }

  end(call: number, outcome: "success" | "failure" | "neither", tookLong: boolean, now: number) {
    if (this.admitted.get(call) !== this.generation) return
    const failed = outcome === "failure"
    const slow = tookLong && this.policy.slowRate !== undefined
    if (this.status === "closed" && outcome !== "neither") {
      const { window } = this.policy
      // what a window by time has once let go of does not come back when the clock is set back
      if ("duration" in window) {
        for (const one of this.counted) one.gone ||= Math.abs(now - this.tenth(one.at)) >= window.duration
      }
      this.counted.push({ at: now, gone: false, failed, slow })
      if ((failed || slow) && this.isTooMuch(now)) this.change("open", now + this.policy.resetAfter)
    } else if (this.status === "halfOpen" && this.out.some((one) => one.call === call)) {
      this.out = this.out.filter((one) => one.call !== call)
      if (outcome === "neither") return
      if (failed || slow) this.change("open", now + this.policy.resetAfter)
      else if (++this.good === this.policy.closeAfter) this.change("closed")
    }
  }

  byHand(to: "open" | "closed") {
    if (to === "open" && this.status === "open" && this.until === undefined) return
    this.change(to)
  }

  private tenth(at: number) {
    const width = "duration" in this.policy.window ? Math.max(1, this.policy.window.duration / 10) : 1
    return Math.floor(at / width) * width
  }

  private row() {
    let row = 0
    for (const { failed } of this.counted) row = failed ? row + 1 : 0
    return row
  }

  private inWindow(now: number) {
    const { window } = this.policy
    return "calls" in window
      ? this.counted.slice(-window.calls)
      : this.counted.filter(({ at, gone }) => !gone && Math.abs(now - this.tenth(at)) < window.duration)
  }

  private isTooMuch(now: number): boolean {
    const { failureRate, failureThreshold, minimumCalls, slowRate, window } = this.policy
    if (failureThreshold !== undefined && this.row() >= failureThreshold) return true
    const calls = this.inWindow(now)
    const share = (is: (one: Counted) => boolean) => calls.filter(is).length / calls.length
    if (calls.length < ("calls" in window ? Math.min(minimumCalls, window.calls) : minimumCalls)) return false
    const isOver = (rate: number | undefined, part: number) => rate !== undefined && part > 0 && part >= rate
    return (
      isOver(
        failureRate,
        share(({ failed }) => failed)
      ) ||
      isOver(
        slowRate,
        share(({ slow }) => slow)
      )
    )
  }

  view(now: number) {
    const { failureRate, failureThreshold, slowRate } = this.policy
    const isClosed = this.status === "closed"
    const hasWindow = isClosed && (failureRate !== undefined || slowRate !== undefined)
    const calls = hasWindow ? this.inWindow(now) : []
    return {
      status: this.status,
      generation: this.generation,
      until: this.until,
      failuresInARow: isClosed && failureThreshold !== undefined ? this.row() : 0,
      calls: calls.length,
      failures: calls.filter(({ failed }) => failed).length,
      slow: calls.filter(({ slow }) => slow).length,
      probes: this.out.length
    }
  }
}
