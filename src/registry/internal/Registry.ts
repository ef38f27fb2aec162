/** The registry over a store. It keeps no flow: each answer is read, and each change is written before it is told. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { FlowRefused, UnknownFlow, type FlowInvalid } from "../../model/FlowError.js"
import type { Flow, Tools } from "../../model/Flow.js"
import type { StoreError } from "../../model/StoreError.js"
import type { FlowAdmission } from "../../run/FlowAdmission.js"
import type { FlowFilter, FlowStore } from "../../store/FlowStore.js"
import type { By, FlowRegistry } from "../FlowRegistryService.js"
import * as FlowCodec from "./FlowCodec.js"
import * as FlowFeed from "./FlowFeed.js"
import * as FlowInput from "./FlowInput.js"
import * as FlowRegistering from "./FlowRegistering.js"
import * as FlowTransitions from "./FlowTransitions.js"
import * as FlowVersion from "./FlowVersion.js"
import * as FlowWriter from "./FlowWriter.js"

/** What was given is decoded when the method is called, not when its effect is run. */
const given = <A, B, E, R>(
  decoded: Either.Either<A, FlowInvalid>,
  run: (value: A) => Effect.Effect<B, E, R>
): Effect.Effect<B, E | FlowInvalid, R> => Effect.flatMap(decoded, run)

export const make = (
  store: FlowStore["Type"],
  options: { readonly actor: string; readonly poll: number }
): Effect.Effect<{ readonly registry: FlowRegistry["Type"]; readonly admission: FlowAdmission["Type"] }> =>
  Effect.map(FlowFeed.make(store, options.poll), ({ changes, wake }) => {
    const writer = FlowWriter.make({ store, actor: options.actor, wake })
    const registering = FlowRegistering.make(store, writer)

    /** All at one moment. */
    const rows = (filter: Omit<FlowFilter, "limit">) => store.list({ ...filter, limit: FlowFeed.all })

    const flows = (filter: Omit<FlowFilter, "limit">): Effect.Effect<Array<Flow>, StoreError> =>
      Effect.map(
        Effect.flatMap(rows(filter), (found) => Effect.forEach(found, (row) => FlowCodec.decode(row, "list"))),
        (found) => found.flatMap((flow) => (flow === undefined ? [] : [flow])).sort(FlowVersion.order)
      )

    const versionsOf = (name: string) =>
      Effect.map(
        Effect.flatMap(rows({ name }), (found) => Effect.forEach(found, (row) => FlowCodec.versionOf(row, "list"))),
        (found) => [...found].sort(FlowVersion.order)
      )

    /**
     * No store can say that a flow stayed as it was while others were written. So those are looked at again that were
     * registered, or had something else accepted, meanwhile. What another report says of them is left: two that disagree
     * would never end.
     */
    const reporting = (found: Tools, only: string | undefined, by: By) =>
      Effect.gen(function* () {
        const seen = new Map<string, string>()
        const reported = new Map<string, Flow>()
        for (;;) {
          const stamp = yield* writer.stamp(by)
          const present = yield* Effect.map(flows({}), (all) =>
            all.flatMap((flow) => {
              const key = JSON.stringify([flow.name, flow.version])
              const tools = FlowTransitions.concerning(flow, found, only)
              const accepted = JSON.stringify(Object.keys(tools).map((tool) => flow.tools[tool]?.hash ?? null))
              return seen.get(key) === accepted ? [] : [{ accepted, flow, key, tools }]
            })
          )
          const nexts = present.flatMap(({ flow, tools }) => {
            const next = FlowTransitions.report(flow, tools, stamp)
            return next === flow ? [] : [{ flow: next }]
          })
          const outcome = yield* writer.write(nexts, "reportDrift", by, stamp)
          if (outcome._tag === "Lost") continue
          for (const { accepted, key } of present) seen.set(key, accepted)
          for (const flow of outcome.flows) reported.set(JSON.stringify([flow.name, flow.version]), flow)
          if (nexts.length === 0) return Object.freeze(Array.from(reported.values()).sort(FlowVersion.order))
        }
      })

    const registry: FlowRegistry["Type"] = {
      register: (dag, said) => {
        const by = FlowInput.decode(FlowInput.Registration, said)
        return Effect.flatMap(
          registering(
            [{ dag, said: by, at: "" }],
            Either.getOrElse(by, () => ({}))
          ),
          ([flow]) => Effect.fromNullable(flow).pipe(Effect.orDie)
        )
      },

      registerAll: (requests, by) => {
        const read = Either.try({
          // getters and proxies of whoever calls
          try: () => {
            if (!Array.isArray(requests)) return undefined
            return Array.from(requests, (request: unknown, i): FlowRegistering.Given => {
              const { dag, ...said } = Object(request) as { readonly dag?: unknown }
              return { dag, said: FlowInput.decode(FlowInput.Registered, said, String(i)), at: String(i) }
            })
          },
          catch: (error) => FlowInput.invalid(undefined, [FlowCodec.thrown(error)])
        })
        const who = FlowInput.anonymous(FlowInput.By, by)
        return given(Either.all([read, who]), ([all, who]) =>
          all === undefined
            ? FlowInput.invalid(undefined, [{ path: "", message: "it is no array" }])
            : registering(all, who)
        )
      },

      get: (name, version) =>
        given(FlowInput.named(FlowInput.VersionOrNone, name, { version }), ({ version }) =>
          Effect.gen(function* () {
            const found = version ?? FlowVersion.latest(yield* versionsOf(name))?.version
            const flow = found === undefined ? undefined : (yield* writer.read(name, found)).flow
            return flow ?? (yield* new UnknownFlow({ name, version }))
          })
        ),

      list: (filter) =>
        given(FlowInput.anonymous(FlowInput.Filter, filter), ({ tool, ...filter }) =>
          Effect.map(flows(filter), (found) =>
            Object.freeze(found.filter(({ tools }) => tool === undefined || Object.hasOwn(tools, tool)))
          )
        ),

      versions: (name) =>
        given(FlowInput.named(FlowInput.Nothing, name, {}), () =>
          Effect.map(versionsOf(name), (found) => Object.freeze(found.map(({ version }) => version)))
        ),

      remove: (name, asked) =>
        given(FlowInput.named(FlowInput.Revised, name, asked), (asked) => writer.remove(name, asked)),

      updateFlowState: (name, update) =>
        given(FlowInput.named(FlowInput.UpdateState, name, update), (update) =>
          writer.change(
            name,
            update,
            "updateFlowState",
            (flow, stamp) => FlowTransitions.update(flow, update.status, update.toolSchemaHashes, stamp),
            // it replaces: what it was made for has gone
            { again: false }
          )
        ),

      setFlowStatus: (name, update) =>
        given(FlowInput.named(FlowInput.SetStatus, name, update), (update) =>
          writer.change(name, update, "setFlowStatus", (flow, stamp) =>
            FlowTransitions.setStatus(flow, update.status, stamp)
          )
        ),

      acceptDrift: (name, accepted) =>
        given(FlowInput.named(FlowInput.AcceptDrift, name, accepted), (accepted) =>
          writer.change(name, accepted, "acceptDrift", (flow, stamp) =>
            FlowTransitions.accept(flow, accepted.tools, stamp)
          )
        ),

      reportDrift: (tools, options) =>
        given(FlowInput.report(tools, options), ({ by, flow, tools }) => reporting(tools, flow, by)),

      annotate: (name, notes) =>
        given(FlowInput.named(FlowInput.Annotate, name, notes), (notes) =>
          writer.change(name, notes, "annotate", (flow, stamp) =>
            Either.right(FlowTransitions.annotate(flow, notes, stamp))
          )
        ),

      changes,

      audit: (filter) =>
        Stream.unwrap(
          Effect.map(FlowInput.anonymous(FlowInput.AuditFilter, filter), ({ after = 0, ...filter }) =>
            FlowFeed.audit(store, { ...filter, after })
          )
        )
    }

    const admission: FlowAdmission["Type"] = {
      admit: ({ dag, fingerprint }) =>
        Effect.flatMap(flows({ fingerprint }), (found) => {
          const active = found.find(({ status }) => status === "active")
          if (active !== undefined) return Effect.succeed(active.version)
          const known = found.map(({ status, version }) => Object.freeze({ version, status }))
          return new FlowRefused({ dag, fingerprint, flows: Object.freeze(known) })
        }),

      versionOf: (fingerprint) => Effect.map(flows({ fingerprint }), ([flow]) => flow?.version)
    }

    return { registry: Object.freeze(registry), admission: Object.freeze(admission) }
  })
