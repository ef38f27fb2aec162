/**
 * The tables of a SQLite store, and the marks by which a file is known as one.
 */
import * as SqliteViews from "./SqliteViews.js"

/** `PRAGMA application_id` of our files: "Hddl". */
export const applicationId = 0x4864646c

/**
 * Step n takes a database from `user_version` n to n + 1. A step that was released is never changed.
 *
 * - A run is referred to by a number, so that its id, which may be long, is stored once and not in each row.
 * - Inputs and policy have a table of their own: the row of a run is rewritten by every commit and stays small.
 * - There are no foreign keys: rows are written only in the transaction that has just read their run.
 * - Times are REAL because a Clock may give fractions; SQLite stores whole ones as integers.
 * - `runs.version` is that of the flow that the run's Dag is; null where nobody said.
 * - `runs.reopened_at` is when a run that had ended was last resumed; null when it never was.
 * - The row of a transition tells its kind by what it has: that of a run has an epoch, that of a module an attempt, that
 *   of an item no attempt but a module, and that of shared cells none of them (and an empty status). `item` is the index
 *   of an item or, of a module, how many items it has; `shared` is JSON.
 * - A large output is in `blobs`, and `blob` of its row is its id: the b-trees of rows stay small. Only completed modules
 *   and items have one: their rows stay as they are, so a blob goes with its run.
 * - `syncs` is one row that every synced commit changes: a transaction that changes nothing is not written to the log,
 *   so its commit would not sync what was committed before it either.
 * - `entries` has a rowid, unlike `states`: its values may be large, and then rows in the b-tree of the key would make a
 *   look-up slow. `value` is the last column, so that reading a version does not read it.
 * - `entry_versions` is one row: the version that was given last, also to entries that are gone.
 * - A row of `leases` stays when its lease has ended (then its holder is empty, or its time is over): its token is the last
 *   one. `lease_waiters` are those who wait in line.
 * - Events keep their number when others are deleted: `position` is AUTOINCREMENT, and the last sequence of an aggregate is
 *   its `version`, also when none of its events is left.
 * - A row of `flows` stays when its flow was removed (then its text is null): its revisions go on.
 * - Tables with large texts have a rowid, and their last column is the text.
 * - The views are for people. Their text must be one that the SQLite of an older tool can parse, for one that it can't
 *   makes all of the file unreadable to it.
 */
export const migrations: ReadonlyArray<ReadonlyArray<string>> = [
  [
    `CREATE TABLE runs (
      id INTEGER PRIMARY KEY,
      run_id TEXT NOT NULL UNIQUE,
      dag TEXT NOT NULL,
      fingerprint TEXT NOT NULL,
      total INTEGER NOT NULL,
      status TEXT NOT NULL,
      epoch INTEGER NOT NULL,
      owner TEXT NOT NULL,
      heartbeat_at REAL NOT NULL,
      seq INTEGER NOT NULL,
      created_at REAL NOT NULL,
      finished_at REAL
    ) STRICT`,
    "CREATE INDEX runs_by_created ON runs (created_at, run_id)",
    "CREATE INDEX runs_by_status ON runs (status, created_at, run_id)",
    "CREATE INDEX runs_by_dag ON runs (dag, created_at, run_id)",
    "CREATE INDEX runs_by_dag_status ON runs (dag, status, created_at, run_id)",
    `CREATE TABLE inputs (
      run INTEGER PRIMARY KEY,
      input TEXT NOT NULL,
      policy TEXT NOT NULL
    ) STRICT`,
    `CREATE TABLE modules (
      run INTEGER NOT NULL,
      module TEXT NOT NULL,
      status TEXT NOT NULL,
      attempt INTEGER NOT NULL,
      scheduled_at REAL,
      started_at REAL,
      finished_at REAL,
      failure TEXT,
      output TEXT,
      PRIMARY KEY (run, module)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE transitions (
      run INTEGER NOT NULL,
      seq INTEGER NOT NULL,
      at REAL NOT NULL,
      status TEXT NOT NULL,
      module TEXT,
      attempt INTEGER,
      failure TEXT,
      epoch INTEGER,
      PRIMARY KEY (run, seq)
    ) STRICT, WITHOUT ROWID`
  ],
  [
    "ALTER TABLE runs ADD COLUMN reopened_at REAL",
    "ALTER TABLE runs ADD COLUMN wake_at REAL",
    // for what is to be driven: the runs that have ended, by far the most, are not in it
    `CREATE INDEX runs_by_wake ON runs (fingerprint, status, wake_at, created_at, run_id)
      WHERE finished_at IS NULL`,
    "ALTER TABLE inputs ADD COLUMN signals TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE modules ADD COLUMN because TEXT",
    "ALTER TABLE modules ADD COLUMN until REAL",
    "ALTER TABLE modules ADD COLUMN items INTEGER",
    "ALTER TABLE transitions ADD COLUMN because TEXT",
    "ALTER TABLE transitions ADD COLUMN item INTEGER",
    "ALTER TABLE transitions ADD COLUMN until REAL",
    "ALTER TABLE transitions ADD COLUMN shared TEXT",
    `CREATE TABLE items (
      run INTEGER NOT NULL,
      module TEXT NOT NULL,
      item INTEGER NOT NULL,
      seq INTEGER NOT NULL,
      status TEXT NOT NULL,
      failure TEXT,
      output TEXT,
      PRIMARY KEY (run, module, item)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE shared (
      run INTEGER NOT NULL,
      cell TEXT NOT NULL,
      value TEXT NOT NULL,
      PRIMARY KEY (run, cell)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE signals (
      run INTEGER NOT NULL,
      module TEXT NOT NULL,
      closed INTEGER NOT NULL,
      value TEXT,
      PRIMARY KEY (run, module)
    ) STRICT, WITHOUT ROWID`
  ],
  [
    "ALTER TABLE runs ADD COLUMN recoveries INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0",
    "DROP INDEX runs_by_wake",
    `CREATE INDEX runs_by_wake ON runs (fingerprint, status, wake_at, created_at, run_id)
      WHERE finished_at IS NULL AND quarantined = 0`,
    // for what is to be pruned
    `CREATE INDEX runs_by_finished ON runs (finished_at, created_at, run_id)
      WHERE finished_at IS NOT NULL`,
    "ALTER TABLE modules ADD COLUMN blob INTEGER",
    "ALTER TABLE items ADD COLUMN blob INTEGER",
    `CREATE TABLE blobs (
      id INTEGER PRIMARY KEY,
      run INTEGER NOT NULL,
      value TEXT NOT NULL
    ) STRICT`,
    "CREATE INDEX blobs_by_run ON blobs (run)",
    `CREATE TABLE states (
      key TEXT NOT NULL,
      field TEXT NOT NULL,
      value TEXT NOT NULL,
      PRIMARY KEY (key, field)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE dead_letters (
      id INTEGER PRIMARY KEY,
      at REAL NOT NULL,
      kind TEXT NOT NULL,
      key TEXT NOT NULL,
      epoch INTEGER,
      reason TEXT NOT NULL,
      message TEXT NOT NULL,
      count INTEGER NOT NULL,
      updates TEXT NOT NULL
    ) STRICT`,
    "CREATE INDEX dead_letters_by_key ON dead_letters (key)",
    "CREATE TABLE syncs (count INTEGER NOT NULL) STRICT",
    "INSERT INTO syncs VALUES (0)",
    ...SqliteViews.step3
  ],
  [
    `CREATE TABLE entries (
      key TEXT NOT NULL UNIQUE,
      version INTEGER NOT NULL,
      expires_at REAL,
      value TEXT NOT NULL
    ) STRICT`,
    // for what is to be removed
    "CREATE INDEX entries_by_expiry ON entries (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE TABLE entry_versions (last INTEGER NOT NULL) STRICT",
    "INSERT INTO entry_versions VALUES (0)"
  ],
  [
    `CREATE TABLE leases (
      resource TEXT NOT NULL PRIMARY KEY,
      holder TEXT NOT NULL,
      token INTEGER NOT NULL,
      expires_at REAL NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE lease_waiters (
      resource TEXT NOT NULL,
      holder TEXT NOT NULL,
      ticket INTEGER NOT NULL,
      expires_at REAL NOT NULL,
      PRIMARY KEY (resource, holder)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE events (
      position INTEGER PRIMARY KEY AUTOINCREMENT,
      aggregate_id TEXT NOT NULL,
      sequence INTEGER NOT NULL,
      event_id TEXT NOT NULL UNIQUE,
      event_type TEXT NOT NULL,
      schema_version INTEGER NOT NULL,
      at REAL NOT NULL,
      payload TEXT NOT NULL
    ) STRICT`,
    "CREATE UNIQUE INDEX events_by_aggregate ON events (aggregate_id, sequence)",
    `CREATE TABLE aggregates (
      aggregate_id TEXT NOT NULL PRIMARY KEY,
      version INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE event_states (
      aggregate_id TEXT NOT NULL UNIQUE,
      sequence INTEGER NOT NULL,
      schema_version INTEGER NOT NULL,
      state TEXT NOT NULL
    ) STRICT`,
    `CREATE TABLE event_snapshots (
      aggregate_id TEXT NOT NULL,
      sequence INTEGER NOT NULL,
      schema_version INTEGER NOT NULL,
      at REAL NOT NULL,
      state TEXT NOT NULL
    ) STRICT`,
    "CREATE UNIQUE INDEX event_snapshots_by_aggregate ON event_snapshots (aggregate_id, sequence)",
    `CREATE TABLE run_snapshots (
      run INTEGER NOT NULL,
      seq INTEGER NOT NULL,
      at REAL NOT NULL,
      value TEXT NOT NULL
    ) STRICT`,
    "CREATE UNIQUE INDEX run_snapshots_by_run ON run_snapshots (run, seq)"
  ],
  [
    `CREATE TABLE flows (
      name TEXT NOT NULL,
      version TEXT NOT NULL,
      fingerprint TEXT NOT NULL,
      status TEXT NOT NULL,
      revision INTEGER NOT NULL,
      text TEXT
    ) STRICT`,
    "CREATE UNIQUE INDEX flows_by_name ON flows (name, version)",
    "CREATE INDEX flows_by_fingerprint ON flows (fingerprint, name, version)",
    `CREATE TABLE flow_log (
      position INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL,
      version TEXT NOT NULL,
      fingerprint TEXT NOT NULL,
      status TEXT NOT NULL,
      revision INTEGER NOT NULL,
      at REAL NOT NULL,
      actor TEXT NOT NULL,
      reason TEXT NOT NULL,
      action TEXT NOT NULL,
      text TEXT
    ) STRICT`,
    "CREATE INDEX flow_log_by_name ON flow_log (name, position)"
  ],
  ["ALTER TABLE runs ADD COLUMN version TEXT"]
]
