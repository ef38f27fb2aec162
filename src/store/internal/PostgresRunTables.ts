/**
 * The tables of runs in a PostgreSQL schema.
 *
 * - A run is referred to by a number, so that its id, which may be long, is stored once and not in each row.
 * - Inputs and policy have a table of their own: the row of a run is rewritten by every commit and stays small.
 * - There are no foreign keys: rows are written only in the transaction that has just locked their run.
 * - Times are float8: milliseconds since the epoch, with the fraction that a clock may give.
 * - `runs.version` is that of the flow that the run's Dag is; null where nobody said.
 * - `runs.reopened_at` is when a run that had ended was last resumed; null when it never was.
 * - The row of a transition tells its kind by what it has: that of a run has an epoch, that of a module an attempt, that
 *   of an item no attempt but a module, and that of shared cells none of them (and an empty status). `item` is the index
 *   of an item or, of a module, how many items it has; `shared` is JSON.
 * - JSON is in columns of text: jsonb would change it. Large texts are kept apart from their rows by PostgreSQL itself.
 * - Paths of modules and cells, and keys and fields of states, are in columns of an index, which takes no long text:
 *   `PostgresKey` says what is in the column, and its column `..._text` has the whole of a long one.
 * - The name of a Dag may be long: its indexes have its md5.
 */

/**
 * The statements of the first migration, in a schema whose name is quoted. A step that was released is never changed.
 */
export const step1 = (schema: string): ReadonlyArray<string> => [
  `CREATE TABLE ${schema}.runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text COLLATE "C" NOT NULL CONSTRAINT runs_by_run_id UNIQUE,
    dag text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    total bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    owner text COLLATE "C" NOT NULL,
    heartbeat_at float8 NOT NULL,
    seq bigint NOT NULL,
    created_at float8 NOT NULL,
    reopened_at float8,
    finished_at float8,
    wake_at float8,
    recoveries bigint NOT NULL DEFAULT 0,
    quarantined boolean NOT NULL DEFAULT false
  ) WITH (fillfactor = 70)`,
  `CREATE INDEX runs_by_created ON ${schema}.runs (created_at, run_id)`,
  `CREATE INDEX runs_by_dag ON ${schema}.runs (md5(dag), created_at, run_id)`,
  // of a status there are few runs, but for those that have ended, which do not change
  `CREATE INDEX runs_by_status ON ${schema}.runs (status, created_at, run_id)`,
  // for what is to be driven: the runs that have ended, by far the most, are not in it
  `CREATE INDEX runs_by_wake ON ${schema}.runs (md5(fingerprint), status, wake_at, created_at, run_id)
    WHERE finished_at IS NULL AND NOT quarantined`,
  // for what is to be pruned
  `CREATE INDEX runs_by_finished ON ${schema}.runs (finished_at, created_at, run_id) WHERE finished_at IS NOT NULL`,
  `CREATE TABLE ${schema}.inputs (
    run bigint PRIMARY KEY,
    signals text COLLATE "C" NOT NULL,
    policy text COLLATE "C" NOT NULL,
    input text COLLATE "C" NOT NULL
  )`,
  `CREATE TABLE ${schema}.modules (
    run bigint NOT NULL,
    module text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    scheduled_at float8,
    started_at float8,
    finished_at float8,
    until float8,
    items bigint,
    because text COLLATE "C",
    failure text COLLATE "C",
    output text COLLATE "C",
    module_text text COLLATE "C",
    PRIMARY KEY (run, module)
  ) WITH (fillfactor = 70)`,
  `CREATE TABLE ${schema}.items (
    run bigint NOT NULL,
    module text COLLATE "C" NOT NULL,
    item bigint NOT NULL,
    seq bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    failure text COLLATE "C",
    output text COLLATE "C",
    module_text text COLLATE "C",
    PRIMARY KEY (run, module, item)
  )`,
  `CREATE TABLE ${schema}.shared (
    run bigint NOT NULL,
    cell text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    cell_text text COLLATE "C",
    PRIMARY KEY (run, cell)
  )`,
  `CREATE TABLE ${schema}.signals (
    run bigint NOT NULL,
    module text COLLATE "C" NOT NULL,
    closed boolean NOT NULL,
    value text COLLATE "C",
    module_text text COLLATE "C",
    PRIMARY KEY (run, module)
  )`,
  `CREATE TABLE ${schema}.transitions (
    run bigint NOT NULL,
    seq bigint NOT NULL,
    at float8 NOT NULL,
    status text COLLATE "C" NOT NULL,
    module text COLLATE "C",
    attempt bigint,
    epoch bigint,
    item bigint,
    until float8,
    because text COLLATE "C",
    failure text COLLATE "C",
    shared text COLLATE "C",
    PRIMARY KEY (run, seq)
  )`,
  `CREATE TABLE ${schema}.run_snapshots (
    run bigint NOT NULL,
    seq bigint NOT NULL,
    at float8 NOT NULL,
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (run, seq)
  )`,
  `CREATE TABLE ${schema}.states (
    key text COLLATE "C" NOT NULL,
    field text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    field_text text COLLATE "C",
    PRIMARY KEY (key, field)
  )`,
  `CREATE TABLE ${schema}.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at float8 NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    epoch bigint,
    reason text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    message text COLLATE "C" NOT NULL,
    updates text COLLATE "C" NOT NULL
  )`,
  // a key may be long
  `CREATE INDEX dead_letters_by_key ON ${schema}.dead_letters (md5(key))`
]

/** Those of the third migration. */
export const step3 = (schema: string): ReadonlyArray<string> => [
  `ALTER TABLE ${schema}.runs ADD COLUMN version text COLLATE "C"`
]
