/** Runs a function that is named by the URL of its module and its name there: in this thread, or in one of its own. */
import { inspect } from "node:util"
import type { ResourceLimits } from "node:worker_threads"
import { Worker } from "node:worker_threads"

/** `input` is JSON; null for `undefined`. */
export interface Call {
  readonly url: string
  readonly export: string
  readonly input: string | null
}

/** What became of a call. `output` and `thrown` are JSON; null where there is none. */
export type Answer =
  | { readonly _tag: "Gave"; readonly output: string | null }
  | { readonly _tag: "Missing"; readonly detail: string }
  | { readonly _tag: "Threw"; readonly detail: string; readonly thrown: string | null; readonly stack: string | null }

/**
 * A function of a call and of what loads a module, as text: the source of a function that was compiled would have in it what
 * compilers put there. JavaScript of Node 20, without strings in backticks.
 */
const answerSource = `async (call, load) => {
  const detailOf = (error) => {
    try {
      return error instanceof Error && error.message !== "" ? String(error.message) : String(error)
    } catch {
      return "something that has no text"
    }
  }
  const jsonOf = (error) => {
    try {
      return JSON.stringify(error) ?? null
    } catch {
      return null
    }
  }
  // in one pass: a getter, or a toJSON, has no chance to give JSON.stringify something else than what was looked at
  const enclosing = new Set()
  const path = []
  const refuse = (what) => {
    throw new TypeError("what it gave is not JSON: " + what + (path.length === 0 ? "" : " at " + path.join(".")))
  }
  const below = (key, value) => {
    path.push(key)
    const text = strictJsonOf(value)
    path.pop()
    return text
  }
  const membersOf = (value, prototype) => {
    if (Array.isArray(value) && prototype === Array.prototype) {
      let items = ""
      for (let at = 0; at < value.length; at++) items += (at === 0 ? "" : ",") + below(at, value[at])
      return "[" + items + "]"
    }
    if (Array.isArray(value) || (prototype !== Object.prototype && prototype !== null)) {
      return refuse("an instance of " + (prototype?.constructor?.name || "a class"))
    }
    if (Object.getOwnPropertySymbols(value).length > 0) return refuse("an object with a symbol as key")
    if (Object.hasOwn(value, "toJSON") && typeof value.toJSON === "function") return refuse("an object with toJSON")
    let members = ""
    for (const key of Object.keys(value)) {
      const member = value[key]
      if (member === undefined) continue
      members += (members === "" ? "" : ",") + JSON.stringify(key) + ":" + below(key, member)
    }
    return "{" + members + "}"
  }
  const strictJsonOf = (value) => {
    switch (typeof value) {
      case "string":
        return JSON.stringify(value)
      case "boolean":
        return String(value)
      case "number":
        return Number.isFinite(value) ? String(value) : refuse(String(value))
      case "undefined":
        return refuse("undefined")
      case "object": {
        if (value === null) return "null"
        if (enclosing.has(value)) return refuse("a circular structure")
        enclosing.add(value)
        const text = membersOf(value, Object.getPrototypeOf(value))
        enclosing.delete(value)
        return text
      }
      default:
        return refuse("a " + typeof value)
    }
  }
  const threw = (error, thrown) => {
    const stack = error instanceof Error && typeof error.stack === "string" ? error.stack : null
    return { _tag: "Threw", detail: detailOf(error), thrown, stack }
  }
  let run
  try {
    const module = await load(call.url)
    run = Object.hasOwn(module, call.export) ? module[call.export] : undefined
    if (typeof run !== "function") {
      const names = Object.keys(module).filter((name) => typeof module[name] === "function")
      return { _tag: "Missing", detail: "its functions are: " + (names.join(", ") || "none") }
    }
  } catch (error) {
    return { _tag: "Missing", detail: detailOf(error) }
  }
  let output
  try {
    output = await run(call.input === null ? undefined : JSON.parse(call.input))
  } catch (error) {
    return threw(error, jsonOf(error))
  }
  try {
    return { _tag: "Gave", output: output === undefined ? null : strictJsonOf(output) }
  } catch (error) {
    return threw(error, null)
  }
}`

/** Other messages than answers are those of the functions. */
const workerSource = `
const { parentPort } = require("node:worker_threads")
const answer = ${answerSource}
parentPort.on("message", async ({ id, call }) => {
  parentPort.postMessage({ id, answer: await answer(call, (url) => import(url)) })
})
`

type Load = (url: string) => Promise<unknown>

/** In this thread. */
export const here = (call: Call): Promise<Answer> => {
  // the one text for both; it holds nothing that came from outside
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const answer = new Function(`return ${answerSource}`)() as (call: Call, load: Load) => Promise<Answer>
  return answer(call, (url) => import(/* @vite-ignore */ url))
}

/** How a thread ended. */
export interface Ended {
  readonly detail: string
  readonly cause: unknown
}

/** A thread that does one call after the other. What happens to it is told to who asked last. */
export interface Thread {
  /** Calls back once, with the answer or with how the thread ended before it. */
  readonly ask: (call: Call, answered: (answer: Answer) => void, ended: (ended: Ended) => void) => void
  readonly isAlive: () => boolean
  /** When it has ended. */
  readonly end: () => Promise<unknown>
}

/** Throws when it cannot be started. A thread that has nothing to do does not keep the process alive. */
export const start = (resourceLimits: ResourceLimits | undefined): Thread => {
  const worker = new Worker(workerSource, {
    ...{ eval: true, name: "heddle" },
    ...(resourceLimits === undefined ? {} : { resourceLimits })
  })
  worker.unref()
  let id = 0
  let asked: { readonly answered: (answer: Answer) => void; readonly ended: (ended: Ended) => void } | undefined
  let ended: Ended | undefined
  let error: unknown

  worker.on("message", (message: unknown) => {
    if (asked === undefined || !isAnswer(message) || message.id !== id) return
    const { answered } = asked
    asked = undefined
    worker.unref()
    answered(message.answer)
  })
  // without a listener it would be thrown in this thread
  worker.on("error", (thrown) => (error = thrown))
  worker.on("exit", (code) => {
    ended = {
      detail:
        error instanceof Error ? error.message : error === undefined ? `it exited with code ${code}` : inspect(error),
      cause: error
    }
    asked?.ended(ended)
    asked = undefined
  })

  return {
    ask: (call, answered, onEnd) => {
      if (ended !== undefined) return onEnd(ended)
      asked = { answered, ended: onEnd }
      worker.ref()
      worker.postMessage({ id: ++id, call })
    },
    isAlive: () => ended === undefined,
    end: () => worker.terminate()
  }
}

const isAnswer = (message: unknown): message is { readonly id: number; readonly answer: Answer } =>
  typeof message === "object" && message !== null && "id" in message && "answer" in message
