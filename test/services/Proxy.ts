/** Something between a program and its PostgreSQL server, which loses connections and answers at a chosen moment. */
import { Effect, type Scope } from "effect"
import * as Net from "node:net"

/** What the server says when it has done all that it was asked. */
const ready = Buffer.from([0x5a, 0, 0, 0, 5])

export interface Proxy {
  /** The url of the server, by way of the proxy. */
  readonly url: string
  /** The connection that next sends this text is lost: the server has done it then, and its answer does not arrive. */
  readonly loseAnswer: (text: string) => Effect.Effect<void>
  /** The connections that there are stay, and nothing comes through any more; later ones are as they should be. */
  readonly silence: Effect.Effect<void>
  /** The connection that next sends this text stays, and the server does all that it is asked; its answers are held. */
  readonly holdAnswers: (text: string) => Effect.Effect<void>
  /** What was held arrives, where the connection is still there, and answers come again. */
  readonly releaseAnswers: Effect.Effect<void>
  /** How many answers were lost. */
  readonly lost: Effect.Effect<number>
  /** How often this text was sent. */
  readonly sent: (text: string) => Effect.Effect<number>
}

export const make = (url: string): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const target = new URL(url)
    const sockets = new Set<Net.Socket>()
    const silent = new Set<Net.Socket>()
    const chunks: Array<Buffer> = []
    const held = new Map<Net.Socket, Array<Buffer>>()
    let awaited: string | undefined
    const withheld = new Set<string>()
    let lost = 0

    const proxy = Net.createServer((client) => {
      const server = Net.connect({ host: target.hostname, port: Number(target.port || 5432) })
      let isLosing = false
      const close = () => {
        client.destroy()
        server.destroy()
      }
      for (const socket of [client, server]) {
        sockets.add(socket)
        socket.on("error", close).on("close", close)
      }
      client.on("data", (data: Buffer) => {
        if (silent.has(client)) return
        chunks.push(data)
        if (awaited !== undefined && data.includes(awaited)) {
          awaited = undefined
          isLosing = true
        }
        for (const text of withheld) {
          if (data.includes(text) && withheld.delete(text)) held.set(client, held.get(client) ?? [])
        }
        server.write(data)
      })
      server.on("data", (data: Buffer) => {
        if (silent.has(client)) return
        const kept = held.get(client)
        if (kept !== undefined) kept.push(data)
        else if (!isLosing) client.write(data)
        else if (data.includes(ready)) {
          lost += 1
          close()
        }
      })
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        proxy.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          proxy.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    const through = new URL(url)
    through.hostname = "127.0.0.1"
    through.port = String((proxy.address() as Net.AddressInfo).port)
    return {
      url: through.toString(),
      loseAnswer: (text) => Effect.sync(() => void (awaited = text)),
      silence: Effect.sync(() => sockets.forEach((socket) => silent.add(socket))),
      holdAnswers: (text) => Effect.sync(() => void withheld.add(text)),
      releaseAnswers: Effect.sync(() => {
        for (const [client, kept] of held) if (client.writable) client.write(Buffer.concat(kept))
        held.clear()
      }),
      lost: Effect.sync(() => lost),
      sent: (text) => Effect.sync(() => chunks.filter((chunk) => chunk.includes(text)).length)
    }
  })
