/**
 * Servers of a test's own, on a free port and in a temporary folder: for tests that stop them, and for machines on which
 * none is running.
 */
import { Clock, Data, Effect, Schedule, type Scope } from "effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"

/** The program of a server was not found, or did not do what it should. */
export class ServerFailed extends Data.TaggedError("ServerFailed")<{
  readonly server: string
  readonly problem: string
}> {
  override get message() {
    return `${this.server}: ${this.problem}`
  }
}

export interface Server {
  readonly url: string
  readonly port: number
  /** Starts it again, on the same port and with its data. Ends when it takes connections. */
  readonly start: Effect.Effect<void, ServerFailed>
  /** As its administrator stops it; ends when its process has. */
  readonly stop: Effect.Effect<void, ServerFailed>
  /** SIGKILL, SIGSTOP and SIGCONT reach the process itself; after SIGKILL `start` may be called. */
  readonly signal: (signal: "SIGKILL" | "SIGSTOP" | "SIGCONT") => Effect.Effect<void, ServerFailed>
}

const realClock = Clock.make()

const freePort = Effect.async<number>((resume) => {
  const server = Net.createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Whether somebody takes connections there. */
export const listens = (port: number): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const socket = Net.connect({ host: "127.0.0.1", port })
    const done = (answer: boolean) => {
      socket.destroy()
      resume(Effect.succeed(answer))
    }
    socket.setTimeout(1000, () => done(false))
    socket.on("connect", () => done(true)).on("error", () => done(false))
  })

const programPlaces = (): ReadonlyArray<string> => {
  const versions = "/usr/lib/postgresql"
  const debian = Fs.existsSync(versions)
    ? Fs.readdirSync(versions)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => Path.join(versions, version, "bin"))
    : []
  return [...(process.env.PATH ?? "").split(Path.delimiter), ...debian, "/usr/local/bin", "/usr/sbin"]
}

/** Where a program is on this machine; under the name that it was asked for, since some are several programs in one. */
export const programOf = (name: string): string | undefined => {
  for (const place of programPlaces()) {
    const file = Path.join(place, name)
    if (place !== "" && Fs.existsSync(file)) return file
  }
  return undefined
}

const requireProgram = (name: string) =>
  Effect.suspend(() => {
    const program = programOf(name)
    return program === undefined
      ? Effect.fail(new ServerFailed({ server: name, problem: "its program is not on this machine" }))
      : Effect.succeed(program)
  })

/** PostgreSQL refuses to run as root: then it runs as a user that may do nothing else. */
const unprivileged = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const users = Fs.readFileSync("/etc/passwd", "utf8").split("\n")
  const user = users.find((line) => line.startsWith("postgres:")) ?? users.find((line) => line.startsWith("nobody:"))
  const [, , uid = "65534", gid = "65534"] = user?.split(":") ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

interface Program {
  readonly server: string
  readonly program: string
  readonly arguments: ReadonlyArray<string>
  readonly user: { readonly uid: number; readonly gid: number } | undefined
  readonly folder: string
  readonly port: number
  readonly url: string
  readonly stopSignal: NodeJS.Signals
  /** Whether it takes commands, once it takes connections. */
  readonly isReady: () => boolean
}

const run = (program: Program): Effect.Effect<Server, ServerFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { folder, port, server, url, user } = program
    let child: ChildProcess.ChildProcess | undefined
    let output = ""

    const failed = (problem: string) => new ServerFailed({ server, problem: `${problem}\n${output.slice(-2000)}` })

    const start = Effect.gen(function* () {
      output = ""
      const started = ChildProcess.spawn(program.program, program.arguments, {
        cwd: folder,
        stdio: ["ignore", "pipe", "pipe"],
        ...user
      })
      child = started
      for (const stream of [started.stdout, started.stderr]) {
        stream.on("data", (data: Buffer) => (output = (output + data.toString()).slice(-10_000)))
      }
      started.on("exit", () => {
        if (child === started) child = undefined
      })
      yield* Effect.suspend(() =>
        child === undefined ? Effect.fail(failed("it has ended")) : Effect.succeed(undefined)
      ).pipe(
        Effect.zipRight(
          Effect.filterOrFail(
            listens(port),
            (yes) => yes && program.isReady(),
            () => "not yet" as const
          )
        ),
        Effect.retry({ while: (error) => error === "not yet", schedule: Schedule.spaced(20) }),
        Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => failed("it does not take connections") }),
        Effect.mapError((error) => (error === "not yet" ? failed("it does not take connections") : error))
      )
    })

    const ended = (running: ChildProcess.ChildProcess) =>
      Effect.async<void>((resume) => {
        if (running.exitCode !== null || running.signalCode !== null) return resume(Effect.void)
        running.once("exit", () => resume(Effect.void))
      })

    const end = (signal: NodeJS.Signals) =>
      Effect.suspend(() => {
        const running = child
        if (running === undefined) return Effect.void
        running.kill(signal)
        return ended(running).pipe(
          Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => failed(`it does not end by ${signal}`) })
        )
      })

    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        Effect.sync(() => child?.kill("SIGCONT")),
        Effect.orElse(end(program.stopSignal), () => Effect.orDie(end("SIGKILL")))
      )
    )
    yield* start

    return {
      url,
      port,
      start,
      stop: end(program.stopSignal),
      signal: (signal: "SIGKILL" | "SIGSTOP" | "SIGCONT") =>
        signal === "SIGKILL"
          ? end("SIGKILL")
          : Effect.suspend(() =>
              child?.kill(signal) === true ? Effect.void : Effect.fail(failed(`it is not there for ${signal}`))
            )
    }
    // the time in which a server starts is real, whatever the test's clock says
  }).pipe(Effect.withClock(realClock))

const folderOf = (server: string) =>
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), `heddle-${server}-`))),
    (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  )

/** A PostgreSQL server with the database and superuser `postgres`, and no password; settings as `name=value`. */
export const postgres = (settings: ReadonlyArray<string> = []): Effect.Effect<Server, ServerFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const initdb = yield* requireProgram("initdb")
    const program = yield* requireProgram("postgres")
    const isReady = yield* requireProgram("pg_isready")
    const folder = yield* folderOf("postgres")
    const data = Path.join(folder, "data")
    const user = unprivileged()
    if (user !== undefined) Fs.chownSync(folder, user.uid, user.gid)
    const made = ChildProcess.spawnSync(
      initdb,
      ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
      { cwd: folder, encoding: "utf8", ...user }
    )
    if (made.status !== 0) return yield* new ServerFailed({ server: "initdb", problem: made.stderr })
    const port = yield* freePort
    const given = ["listen_addresses=127.0.0.1", `unix_socket_directories=${folder}`, ...settings]
    return yield* run({
      server: "postgres",
      program,
      arguments: ["-D", data, "-p", String(port), ...given.flatMap((setting) => ["-c", setting])],
      user,
      folder,
      port,
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      // "fast": it ends the sessions and does not wait for them
      stopSignal: "SIGINT",
      isReady: () => ChildProcess.spawnSync(isReady, ["-q", "-h", "127.0.0.1", "-p", String(port)]).status === 0
    })
  })

/** A Redis server; settings as `--name`, `value`. */
export const redis = (settings: ReadonlyArray<string> = []): Effect.Effect<Server, ServerFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const program = yield* requireProgram("redis-server")
    const folder = yield* folderOf("redis")
    const port = yield* freePort
    return yield* run({
      server: "redis-server",
      program,
      arguments: ["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--save", "", ...settings],
      user: undefined,
      folder,
      port,
      url: `redis://127.0.0.1:${port}`,
      stopSignal: "SIGTERM",
      isReady: () => true
    })
  })
