/** What is wrong with the definition of a machine, all of it at once. */
import type { AnyDefinition, AnyTransition } from "../MachineDefinition.js"
import { MachineFault, type Path } from "../MachineError.js"
import { isWellFormed } from "../../model/CanonicalJson.js"
import * as Millis from "../../model/Millis.js"

const nameFaults = (path: Path, name: string, reserved: (name: string) => string | undefined) => {
  const reason =
    name === "" ? "is empty" : !isWellFormed(name) ? "has a lone surrogate: use well-formed text" : reserved(name)
  return reason === undefined ? [] : [MachineFault.InvalidName({ path, name, reason })]
}

const tagFaults = (definition: AnyDefinition, of: "events" | "intents") =>
  Object.entries(definition[of] ?? {}).flatMap(([tag, fields]) => [
    ...nameFaults([of, tag], tag, (name) => (name.startsWith("@") ? "begins with @, which is reserved" : undefined)),
    ...(Object.hasOwn(fields, "_tag")
      ? [MachineFault.InvalidName({ path: [of, tag, "_tag"], name: "_tag", reason: "is that of the tag itself" })]
      : [])
  ])

/** How the transitions of one source and event are asked: the higher priority first, then as they are declared. */
export const inOrder = <T extends Pick<AnyTransition, "priority">>(transitions: ReadonlyArray<T>): ReadonlyArray<T> =>
  [...transitions].sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0))

const transitionFaults = ({ events, states, transitions }: AnyDefinition): ReadonlyArray<MachineFault> => {
  const faults: Array<MachineFault> = []
  const groups = new Map<string, Array<AnyTransition & { readonly path: Path }>>()
  for (const [index, transition] of transitions.entries()) {
    const { from, on, priority = 0, to } = transition
    const path: Path = ["transitions", index]
    if (from !== "*" && !Object.hasOwn(states, from)) {
      faults.push(MachineFault.UnknownState({ path: [...path, "from"], state: from }))
    } else if (from !== "*" && states[from]!.kind === "terminal") {
      faults.push(MachineFault.EdgeOutOfTerminal({ path: [...path, "from"], state: from }))
    }
    if (to !== undefined && !Object.hasOwn(states, to)) {
      faults.push(MachineFault.UnknownState({ path: [...path, "to"], state: to }))
    }
    if (!Object.hasOwn(events, on)) faults.push(MachineFault.UnknownEvent({ path: [...path, "on"], event: on }))
    if (!Number.isFinite(priority)) {
      faults.push(
        MachineFault.InvalidOption({ path: [...path, "priority"], value: priority, reason: "is not a finite number" })
      )
    }
    const group = JSON.stringify([from, on])
    groups.set(group, [...(groups.get(group) ?? []), { ...transition, path }])
  }
  for (const group of groups.values()) {
    const duplicates = new Set<Path>()
    const named = new Map<string | undefined, Path>()
    for (const { guard, path } of group) {
      const first = named.get(guard?.name)
      if (first === undefined) named.set(guard?.name, path)
      else {
        duplicates.add(path)
        faults.push(MachineFault.DuplicateTransition({ path, first }))
      }
    }
    let by: Path | undefined
    for (const { guard, path } of inOrder(group)) {
      if (duplicates.has(path)) continue
      if (by !== undefined) faults.push(MachineFault.ShadowedTransition({ path, by }))
      else if (guard === undefined) by = path
    }
  }
  return faults
}

const stateFaults = ({ states }: AnyDefinition): ReadonlyArray<MachineFault> =>
  Object.entries(states).flatMap(([name, { after, kind }]) => {
    const path: Path = ["states", name]
    const faults: Array<MachineFault> = nameFaults(path, name, (name) =>
      name === "*" ? "is reserved: it stands for all states" : undefined
    )
    if (after === undefined) return faults
    if (kind === "terminal") {
      faults.push(MachineFault.EdgeOutOfTerminal({ path: [...path, "after"], state: name }))
    }
    if (!Object.hasOwn(states, after.to)) {
      faults.push(MachineFault.UnknownState({ path: [...path, "after", "to"], state: after.to }))
    }
    const delay = Millis.of(after.delay)
    // the largest time that a Date can have
    if (delay === undefined || delay < 1 || delay > 8.64e15) {
      const reason = "is not a duration of at least a millisecond that ends"
      faults.push(MachineFault.InvalidOption({ path: [...path, "after", "delay"], value: after.delay, reason }))
    }
    return faults
  })

const reached = ({ initial, states, transitions }: AnyDefinition): ReadonlySet<string> => {
  const found = new Set([initial])
  // grows while it is walked
  for (const name of found) {
    if (!Object.hasOwn(states, name)) continue
    const { after, kind } = states[name]!
    if (kind === "terminal") continue
    for (const { from, to } of transitions) {
      if (to !== undefined && (from === name || (from === "*" && kind === undefined))) found.add(to)
    }
    if (after !== undefined) found.add(after.to)
  }
  return found
}

const initialFaults = (definition: AnyDefinition): ReadonlyArray<MachineFault> => {
  const { initial, states } = definition
  const names = Object.keys(states)
  if (names.length === 0) return [MachineFault.NoStates({ path: ["states"] })]
  // a definition that was built from data may have none
  if (initial === "" || typeof initial !== "string") return [MachineFault.MissingInitial({ path: ["initial"] })]
  if (!Object.hasOwn(states, initial)) return [MachineFault.UnknownState({ path: ["initial"], state: initial })]
  const found = reached(definition)
  return names
    .filter((name) => !found.has(name))
    .map((state) => MachineFault.UnreachableState({ path: ["states", state], state }))
}

/** Everything but what is only found by beginning an instance. */
export const check = (definition: AnyDefinition): ReadonlyArray<MachineFault> => {
  const { history = 0, id } = definition
  return [
    ...nameFaults(["id"], id, (name) =>
      name.includes(":") ? "has a colon, which ends it in ids of intents" : undefined
    ),
    ...(Number.isSafeInteger(history) && history >= 0
      ? []
      : [MachineFault.InvalidOption({ path: ["history"], value: history, reason: "is not a whole number from 0" })]),
    ...tagFaults(definition, "events"),
    ...tagFaults(definition, "intents"),
    ...initialFaults(definition),
    ...stateFaults(definition),
    ...transitionFaults(definition)
  ]
}
