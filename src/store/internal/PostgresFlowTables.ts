/**
 * The tables of flows in a PostgreSQL schema.
 *
 * - `key` of a flow is made of its name and its version: both together may be too long for a row of an index.
 * - A row of `flows` stays when its flow was removed (then its text is null): its revisions go on.
 * - The row of `flow_positions` has the last position. Who writes locks it first, so positions are given in the order of
 *   commits.
 */

/** The statements of the second migration, in a schema whose name is quoted. A step that was released is never changed. */
export const step2 = (schema: string): ReadonlyArray<string> => [
  `CREATE TABLE ${schema}.flows (
    key text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    text text
  )`,
  `CREATE INDEX flows_by_name ON ${schema}.flows (name)`,
  // it takes texts of any length
  `CREATE INDEX flows_by_fingerprint ON ${schema}.flows USING hash (fingerprint)`,
  `CREATE TABLE ${schema}.flow_log (
    position bigint PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    at float8 NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    action text NOT NULL,
    text text
  )`,
  `CREATE INDEX flow_log_by_name ON ${schema}.flow_log (name, position)`,
  `CREATE TABLE ${schema}.flow_positions (last bigint NOT NULL)`,
  `INSERT INTO ${schema}.flow_positions VALUES (0)`
]
