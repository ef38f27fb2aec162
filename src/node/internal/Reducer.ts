/** What a reducer node does: what it is asked as changes of instances, and what their intents and timers ask for. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import * as STM from "effect/STM"
import * as Stream from "effect/Stream"
import type { ValueSchema } from "../../dag/Node.js"
import { NodeValueInvalid } from "../../model/NodeError.js"
import * as Telemetry from "../../model/Telemetry.js"
import { StateStore } from "../../store/StateStore.js"
import type { AnyState, Issued, Machine, Snapshot, Tagged } from "../MachineDefinition.js"
import { SnapshotRefused } from "../MachineError.js"
import type * as Instance from "../Instance.js"
import * as Captured from "./Captured.js"
import type { Decision } from "./InstanceCells.js"
import * as Instances from "./Instances.js"
import * as InstanceStore from "./InstanceStore.js"
import * as InstanceTimers from "./InstanceTimers.js"
import * as MachineSnapshot from "./MachineSnapshot.js"
import * as MachineStep from "./MachineStep.js"
import * as Plain from "./Plain.js"

export const make = <S extends string, Ev extends Tagged, C, I extends Tagged, R>(
  node: string,
  machine: Machine<S, Ev, C, I>,
  input: ValueSchema<Instance.Send<Ev>>,
  options: {
    readonly intents?: (intent: I, options: Instance.IntentOptions) => Effect.Effect<unknown, unknown, R>
    readonly retry: Schedule.Schedule<unknown>
    readonly capacity: number
  }
): Effect.Effect<Instance.Instances<S, Ev, C, I>, never, R | Scope> =>
  Effect.gen(function* () {
    type Snap = Snapshot<S, C, I>
    const { capacity, intents, retry } = options
    if (!Number.isSafeInteger(capacity) || capacity < 0) {
      return yield* Effect.dieMessage(`the capacity of "${node}" is ${capacity}: give a whole number from 0`)
    }
    const withServices = yield* Captured.capture<R>()
    const store = yield* Effect.serviceOption(StateStore)
    const timers = yield* InstanceTimers.make
    const schema = MachineSnapshot.schema(machine)

    const warn = (fiber: "intents" | "timers", message: string, ...cause: ReadonlyArray<unknown>) =>
      Effect.annotateLogs(Effect.logWarning(message, ...cause), { package: "heddle", module: "ReducerNode", fiber })

    const perform = (key: string, { id, intent }: Issued<unknown>): Effect.Effect<void> =>
      Effect.suspend(() =>
        // erasure: instances have intents of this machine only
        intents === undefined
          ? Effect.void
          : withServices(intents(Plain.lent(machine.intent, intent as I), { id, key }))
      ).pipe(
        Effect.retry(retry),
        Effect.matchCauseEffect({
          onFailure: (cause) => {
            Telemetry.reducerIntents.failed.unsafeUpdate(1, [])
            return warn("intents", `intent "${id}" was not done: it stays pending`, cause)
          },
          onSuccess: () => {
            Telemetry.reducerIntents.completed.unsafeUpdate(1, [])
            return Effect.catchAllCause(Effect.retry(acknowledge(key, id), retry), (cause) =>
              warn("intents", `intent "${id}" was done, and that was not stored: it may be done again`, cause)
            )
          }
        })
      )

    const instances: Instances.Instances<Snap> = yield* Instances.make<Snap>({
      ...{ node, capacity, timers, perform },
      store: Option.match(store, {
        onNone: () => undefined,
        onSome: (store) => InstanceStore.make({ node, store, schema, prefix: `heddle/reducer/${machine.id}:` })
      })
    })

    const acknowledge = (key: string, id: string) => {
      const ids = new Set([id])
      return instances.change(key, (current) => {
        const next = current && MachineStep.acknowledge(current, ids)
        return { next: next === current ? undefined : next, result: Either.void }
      })
    }

    const viewOf = ({ context, seq, state }: Snap): Instance.View<S, C> =>
      Object.freeze({ state, context: Plain.lent(machine.context, context), seq })

    const counted = (from: S, to: S) =>
      Effect.sync(() => {
        Telemetry.reducerTransitions.unsafeUpdate(1, [])
        if (machine.states[to].kind === "error" && from !== to) Telemetry.reducerErrors.unsafeUpdate(1, [])
      })

    /** What is asked of an instance. A timed transition that is due comes first, whatever becomes of the rest. */
    const ask =
      <A, E>(f: (now: Snap | undefined, at: number) => Decision<Snap, A, E>) =>
      (current: Snap | undefined, at: number): Decision<Snap, A, E> => {
        const elapsed = current && MachineStep.elapse(machine, current, at)
        if (current === undefined || elapsed === undefined) return f(current, at)
        const timed = Either.match(elapsed.step, {
          onLeft: (error) =>
            error._tag === "TransitionRefused" && error.reason === "guards"
              ? Effect.void
              : warn("timers", `a timed transition was not taken: ${error.message}`),
          onRight: ({ entry }) => counted(current.state, entry.to as S)
        })
        const { after = Effect.void, next = elapsed.snapshot, result } = f(elapsed.snapshot, at)
        return { next, result, after: Effect.zipRight(timed, after) }
      }

    const begun = (key: string, now: Snap | undefined, at: number) =>
      now === undefined ? MachineStep.start(machine, key, at) : Either.right(now)

    const refused = Effect.sync(() => Telemetry.reducerRefusals.unsafeUpdate(1, []))

    const invalid = (faults: string) => new NodeValueInvalid({ node, value: "input", faults })

    /** Asks an instance, once its key is found to be one. */
    const asking = <A, E>(
      key: string,
      f: (now: Snap | undefined, at: number) => Decision<Snap, A, E>,
      isRecovery?: boolean
    ) =>
      Effect.flatMap(
        Effect.suspend(() => Either.mapLeft(Plain.copy(Key, key), (faults) => invalid(`at key: ${faults}`))),
        (key) => instances.change(key, ask(f), isRecovery)
      )

    const answer =
      <A>(f: (now: Snap | undefined) => A) =>
      (now: Snap | undefined) => ({
        next: undefined,
        result: Either.right(f(now))
      })

    // the caller may change the event that it has while this one waits
    const valid = (send: Instance.Send<Ev>) => Effect.suspend(() => Either.mapLeft(Plain.copy(input, send), invalid))

    const process = (send: Instance.Send<Ev>) =>
      Effect.flatMap(valid(send), ({ event, key }) =>
        instances.change(
          key,
          ask((now, at) =>
            Either.match(
              Either.flatMap(begun(key, now, at), (before) => MachineStep.transition(machine, before, event, at)),
              {
                onLeft: (error) => ({ next: undefined, result: Either.left(error), after: refused }),
                onRight: ({ entry, snapshot }) => ({
                  next: snapshot,
                  result: Either.right(viewOf(snapshot)),
                  after: counted(entry.from as S, snapshot.state)
                })
              }
            )
          )
        )
      )

    const restore = (given: Snap) => {
      const refuse = (reason: SnapshotRefused["reason"], faults: string) =>
        new SnapshotRefused({ machine: machine.id, key: given.key, reason, faults })
      const copied = Effect.suspend(() =>
        Plain.copy(schema, given).pipe(
          Either.filterOrLeft(
            (snapshot) => MachineSnapshot.faultOf(machine, snapshot) === undefined,
            (snapshot) => MachineSnapshot.faultOf(machine, snapshot)!
          ),
          Either.mapLeft((faults) => refuse("invalid", faults))
        )
      )
      return copied.pipe(
        Effect.flatMap((snapshot) =>
          asking(
            snapshot.key,
            (now) => {
              const result = Either.right(viewOf(snapshot))
              if (now === undefined || snapshot.seq > now.seq) return { next: snapshot, result }
              const isSame =
                Either.getOrThrow(Plain.encode(schema, now)) === Either.getOrThrow(Plain.encode(schema, snapshot))
              const faults = `it has taken ${snapshot.seq} transitions, and what is there ${now.seq}`
              return { next: undefined, result: isSame ? result : Either.left(refuse("older", faults)) }
            },
            true
          )
        )
      )
    }

    /** When the store did not take a timed transition. */
    const fireAgain = (key: string) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => STM.commit(timers.set(key, now + pause)))

    const fire = (key: string) =>
      asking(
        key,
        answer(() => undefined)
      ).pipe(
        Effect.catchAllCause((cause) =>
          Effect.zipRight(warn("timers", `the timed transition of "${key}" could not be stored`, cause), fireAgain(key))
        )
      )

    if (Object.values<AnyState>(machine.states).some(({ after }) => after !== undefined)) {
      const scope = yield* Effect.scope
      yield* Effect.forkScoped(timers.run((key) => Effect.forkIn(Effect.interruptible(fire(key)), scope)))
    }

    return {
      process,
      send: (key, event) => process({ key, event }),
      start: (key) =>
        asking(key, (now, at) =>
          Either.match(begun(key, now, at), {
            onLeft: (error) => ({ next: undefined, result: Either.left(error) }),
            onRight: (snapshot) => ({
              next: snapshot === now ? undefined : snapshot,
              result: Either.right(viewOf(snapshot))
            })
          })
        ),
      get: (key) => asking(key, (now, at) => ({ next: undefined, result: Either.map(begun(key, now, at), viewOf) })),
      can: (key, event) =>
        Effect.flatMap(valid({ key, event }), ({ event, key }) =>
          instances.change(
            key,
            ask((now, at) => {
              const step = Either.flatMap(begun(key, now, at), (snapshot) =>
                MachineStep.transition(machine, snapshot, event, at)
              )
              return { next: undefined, result: Either.right(Either.isRight(step)) }
            })
          )
        ),
      history: (key) =>
        asking(
          key,
          answer((now) => now?.history ?? [])
        ),
      snapshot: (key) =>
        asking(
          key,
          answer((now) => Option.map(Option.fromNullable(now), (now) => Plain.lent(schema, now)))
        ),
      restore,
      recover: (keys) =>
        Effect.gen(function* () {
          const exits = yield* Effect.forEach(keys ?? (yield* instances.keys), (key) =>
            Effect.exit(
              asking(
                key,
                answer(() => undefined),
                true
              )
            )
          )
          return yield* exits.find(Exit.isFailure) ?? Exit.void
        }),
      changes: (key) =>
        Stream.unwrap(
          Effect.map(
            asking(
              key,
              answer(() => undefined)
            ),
            () => instances.changes(key)
          )
        ).pipe(Stream.map((now) => viewOf(now ?? Either.getOrThrow(MachineStep.start(machine, key, 0)))))
    }
  })

const Key = Schema.NonEmptyString

/** In milliseconds. */
const pause = 5000
