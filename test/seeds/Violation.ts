/** What a scenario finds wrong. */
import { Data, Effect } from "effect"

export class Violation extends Data.TaggedError("Violation")<{ readonly what: string }> {
  override get message() {
    return this.what
  }
}

export const check = (holds: boolean, what: () => string): Effect.Effect<void, Violation> =>
  holds ? Effect.void : new Violation({ what: what() })
