/**
 * Redis' errors, and those of the connection to it, as the error of the store.
 */
import {
  AbortError,
  ClientClosedError,
  ClientOfflineError,
  ConnectionTimeoutError,
  DisconnectsClientError,
  ErrorReply,
  SocketClosedUnexpectedlyError,
  SocketTimeoutError,
  TimeoutError
} from "@redis/client"
import { StoreError } from "../../model/StoreError.js"

type Reason = StoreError["reason"]

/** What the answer of a script begins with that found something which no release of Heddle has left there. */
export const corruptCode = "HEDDLECORRUPT"

/** By the code with which the answer of the server begins. */
const answers: ReadonlyMap<string, readonly [reason: Reason, hint: string]> = new Map([
  [corruptCode, ["corrupt", "restore the server's data from a backup"]],
  ["OOM", ["full", "the server's `maxmemory` is used up: make room or raise it"]],
  ["MISCONF", ["full", "the server cannot write its files: see its log"]],
  [
    "WRONGTYPE",
    ["foreign", "somebody else uses keys of this prefix, which were left as they are: choose another prefix"]
  ],
  ["LOADING", ["busy", "the server reads its files; trying again helps"]],
  ["BUSY", ["busy", "the server runs a script that takes long; trying again helps"]],
  ["TRYAGAIN", ["busy", "trying again helps"]],
  ["READONLY", ["unavailable", "the server is a replica now: the next operation connects again"]],
  ["NOREPLICAS", ["unavailable", "the server has too few replicas"]],
  ["MASTERDOWN", ["unavailable", "the server has lost its primary"]],
  ["CLUSTERDOWN", ["unavailable", "the cluster is down"]],
  ["MOVED", ["failed", "the keys of this prefix are on another node of the cluster: connect to that one"]],
  ["ASK", ["failed", "the keys of this prefix move to another node of the cluster: connect to that one"]],
  ["NOAUTH", ["failed", "put the user and the password into the url"]],
  ["WRONGPASS", ["failed", "put the right user and password into the url"]],
  ["NOPERM", ["failed", "this user must be allowed to run scripts, and to use the keys and the channel of the prefix"]]
])

// Redis 7 gives the code first, also when a script has met it; older ones "ERR Error running script (...): ...: -OOM ...".
const codesOf = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/(?:^|-)([A-Z]{3,})(?= |$)/g), ([, code = ""]) => code)

const textOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== "") return error.message
  return "code" in error && typeof error.code === "string" ? error.code : error.name
}

const connectionErrors = [
  AbortError,
  ClientClosedError,
  ClientOfflineError,
  ConnectionTimeoutError,
  DisconnectsClientError,
  SocketClosedUnexpectedlyError,
  SocketTimeoutError,
  TimeoutError
]

/** What came from a system call has a number; one for each address that was tried comes as an AggregateError. */
const isOfConnection = (error: unknown): boolean =>
  error instanceof Error &&
  (connectionErrors.some((type) => error instanceof type) ||
    ("errno" in error && typeof error.errno === "number") ||
    (error instanceof AggregateError && error.errors.every(isOfConnection)))

/** That the server does not know the script: it has not run it. */
export const isUnknownScript = (error: unknown): boolean =>
  error instanceof ErrorReply && error.message.startsWith("NOSCRIPT")

/** Whether another connection may find another server behind the same address. */
export const wantsAnother = (error: unknown): boolean =>
  error instanceof ErrorReply && codesOf(error.message).includes("READONLY")

const classify = (error: unknown): readonly [reason: Reason, hint: string | undefined] => {
  if (isOfConnection(error)) return ["unavailable", undefined]
  if (error instanceof ErrorReply) {
    if (error.message.startsWith("ERR max number of clients")) return ["unavailable", undefined]
    for (const code of codesOf(error.message)) {
      const found = answers.get(code)
      if (found !== undefined) return found
    }
  }
  return ["failed", undefined]
}

/** Any failure of the client, as the error that the method of the store gives. */
export const fromUnknown =
  (location: string, operation: string) =>
  (cause: unknown): StoreError => {
    if (cause instanceof StoreError) return cause
    const [reason, hint] = classify(cause)
    const message = `${location}: ${textOf(cause)}${hint === undefined ? "" : `; ${hint}`}`
    return new StoreError({ reason, location, operation, message, cause })
  }

/** The same, as that of another method: several have waited for one connection. */
export const as =
  (operation: string) =>
  ({ cause, location, message, reason }: StoreError): StoreError =>
    new StoreError({ reason, location, operation, message, cause })

export const closed = (location: string, operation: string): StoreError =>
  new StoreError({ reason: "closed", location, operation, message: `${location}: the store's scope has ended` })

/** Nobody has answered: whether the server has done what it was asked is not known. */
export const unanswered = (location: string, operation: string, millis: number): StoreError =>
  new StoreError({
    reason: "unavailable",
    location,
    operation,
    message: `${location}: no answer within ${millis} ms; whether it was done is not known`
  })
