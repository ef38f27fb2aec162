import { Effect, Layer } from "effect"
import * as FlowStoreFile from "heddle/store/FlowStoreFile"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
import * as PostgresStore from "heddle/store/PostgresStore"
import { withPostgres } from "../services/Services.js"
import * as PostgresSchema from "../store/PostgresSchema.js"
import * as SqliteFile from "../store/SqliteFile.js"
import { registryContract } from "./registryContract.js"

registryContract(
  "a store in memory",
  Effect.map(Layer.build(FlowStoreMemory.layer()), (context) => Layer.succeedContext(context)),
  { isShared: true }
)
registryContract(
  "a folder of files",
  Effect.map(SqliteFile.temporaryDirectory, (directory) => FlowStoreFile.layer({ directory })),
  { isShared: false }
)
registryContract(
  "a SQLite file",
  Effect.map(SqliteFile.temporaryFile, (filename) => FlowStoreSqlite.layer({ filename })),
  { isShared: true }
)
withPostgres((url) => {
  registryContract(
    "a PostgreSQL schema",
    Effect.map(PostgresSchema.freshSchema(url), (schema) =>
      PostgresStore.layerFlowStore(PostgresSchema.options(url, schema))
    ),
    { isShared: true }
  )
})
