/**
 * The errors of holding a resource under a lease. Each names the resource and says what to do.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * The resource was not the caller's within the time that it would wait: `waited` milliseconds. `holder`: who held it when
 * it was asked for last, unless nobody did and others came first. Try again later, or wait longer.
 *
 * @since 0.1.0
 * @category errors
 */
export class LeaseTimedOut extends Data.TaggedError("LeaseTimedOut")<{
  readonly resource: string
  readonly waited: number
  readonly holder: string | undefined
}> {
  override get message() {
    const who = this.holder === undefined ? "others come first" : `"${this.holder}" holds it`
    return `the resource "${this.resource}" was not free within ${this.waited} ms: ${who}`
  }
}

/**
 * The lease could no longer be proven held, so what ran under it was interrupted: its effects may be there in part. Begin
 * anew with what is stored, under a lease with a new token.
 *
 * - `reason`: `taken`, the store says that it is not the caller's; or `unproven`, it could not be renewed in time
 * - `cause`: why it could not be renewed, where that is known
 *
 * @since 0.1.0
 * @category errors
 */
export class LeaseLost extends Data.TaggedError("LeaseLost")<{
  readonly resource: string
  readonly token: number
  readonly reason: "taken" | "unproven"
  readonly cause?: unknown
}> {
  override get message() {
    const why = this.reason === "taken" ? "it is not this holder's any more" : "it could not be renewed in time"
    return `the lease of "${this.resource}" with the token ${this.token} was lost: ${why}`
  }
}

/**
 * Who holds the resource under `withLease` waits for it again, inside of that: it would wait for itself. Use the lease
 * that is there (`token`), or do it outside.
 *
 * @since 0.1.0
 * @category errors
 */
export class LeaseReentered extends Data.TaggedError("LeaseReentered")<{
  readonly resource: string
  readonly token: number
}> {
  override get message() {
    return `the resource "${this.resource}" is held by who asks for it, with the token ${this.token}: use that lease`
  }
}
