/** What the files of a folder say: all of it, or everything that is wrong with it. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Node from "../../dag/Node.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import * as Contract from "../../node/Contract.js"
import * as ContractDag from "../../node/ContractDag.js"
import { type FileFault, FolderInvalid, type FolderFault } from "../FolderInvalid.js"

/** A contract and the file that it is from. */
export interface Read {
  readonly file: string
  readonly contract: Contract.Contract
}

/** A workflow of the folder, and the Dag that it declares. */
export interface Declared<N extends Node.Any> {
  readonly file: string
  readonly version: string
  readonly dag: ContractDag.ContractDag<N>
}

export interface Options<N extends Node.Any> {
  readonly directory: string
  readonly nodes: { readonly [name: string]: N }
  readonly limits: Partial<Contract.Limits>
  readonly maxFiles: number
}

const isContract = (name: string): boolean => !name.startsWith(".") && /\.(ya?ml|json)$/.test(name)

/** The contract of a file; none where it is a folder. What is neither, such as a pipe, could be read without an end. */
const contractIn = <N extends Node.Any>(file: string, { directory, limits, nodes }: Options<N>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = (yield* Path.Path).join(directory, file)
    const unreadable = (cause: unknown) => new Contract.ContractUnreadable({ contract: file, cause })
    const { type } = yield* Effect.mapError(fs.stat(path), unreadable)
    if (type === "Directory") return Option.none()
    if (type !== "File") return yield* unreadable(`it is no file, but a ${type}`)
    return Option.some(yield* Contract.load(path, { name: file, limits, nodes }))
  })

/** Every file, in the order of their names, whether there is anything wrong with it or not. */
const files = <N extends Node.Any>(options: Options<N>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { directory, maxFiles } = options
    const refuse = (fault: FolderFault) => new FolderInvalid({ directory, faults: [fault] })
    const listed = yield* Effect.mapError(fs.readDirectory(directory), (cause) => refuse({ _tag: "Unreadable", cause }))
    const names = listed.filter(isContract).sort()
    if (names.length > maxFiles) return yield* refuse({ _tag: "TooMany", count: names.length, max: maxFiles })
    const looked = yield* Effect.forEach(
      names,
      (file) => Effect.map(Effect.either(contractIn(file, options)), (contract) => ({ file, contract })),
      { concurrency: 8 }
    )
    return looked.flatMap(({ contract, file }) =>
      Either.isRight(contract) && Option.isNone(contract.right)
        ? []
        : [{ file, contract: Either.map(contract, Option.getOrThrow) }]
    )
  })

const nameOf = ({ kind, name, version }: Contract.Contract): string =>
  JSON.stringify([kind, name, String(version ?? "")])

/** The digest of what was read, faults and all: of the same folder it is the same. */
const digestOf = (read: Effect.Effect.Success<ReturnType<typeof files>>): string =>
  CanonicalJson.hash(
    JSON.stringify(
      read.map(({ contract, file }) => [
        file,
        Either.match(contract, { onLeft: ({ message }) => message, onRight: Contract.hash })
      ])
    )
  )

/** What the folder has now; Left is what is wrong with it. The digest tells whether that is what it was before. */
export const read = <N extends Node.Any>(options: Options<N>) =>
  Effect.map(files(options), (all) => {
    const faults: Array<FileFault> = []
    const contracts: Array<Read> = []
    const declared: Array<Declared<N>> = []
    const first = new Map<string, string>()
    for (const { contract, file } of all) {
      if (Either.isLeft(contract)) {
        const error = contract.left
        // no hash is expected of any
        if (error._tag !== "ContractChanged") faults.push({ _tag: "Contract", file, error })
        continue
      }
      const name = nameOf(contract.right)
      const of = first.get(name)
      if (of !== undefined) faults.push({ _tag: "Duplicate", file, of })
      else first.set(name, file)
      contracts.push(Object.freeze({ file, contract: contract.right }))
      if (contract.right.kind !== "workflow") continue
      const { version } = contract.right
      const dag = ContractDag.make(contract.right, options.nodes)
      if (version === undefined) faults.push({ _tag: "NoVersion", file })
      else if (Either.isLeft(dag)) faults.push({ _tag: "Contract", file, error: dag.left })
      else declared.push({ file, version: String(version), dag: dag.right })
    }
    return {
      digest: digestOf(all),
      found: Arr.isNonEmptyReadonlyArray(faults)
        ? Either.left(new FolderInvalid({ directory: options.directory, faults }))
        : Either.right({ contracts: Object.freeze(contracts), declared })
    }
  })
