/**
 * The tables of entries, leases and events in a PostgreSQL schema.
 *
 * - Texts have the collation "C": they are sorted as bytes of UTF-8, on every server, and a prefix is a range of an index.
 * - Times are float8: milliseconds since the epoch, with the fraction that a clock may give.
 * - The last column is the large text.
 */

/**
 * The statements of the first migration, in a schema whose name is quoted. A step that was released is never changed.
 *
 * - `entry_versions` gives the versions of entries. A sequence makes no writer wait for another, and gives no number twice.
 * - A row of `leases` stays when its lease has ended (then its holder is empty, or its time is over): its token is the last
 *   one. `lease_waiters` are those who wait in line, in the order of their tickets.
 * - An event has its `id` from its insertion on, and its `position` from the first time after its commit at which somebody
 *   looked for such events: ids are given in the order of insertions, which is not that of commits. The row of
 *   `event_positions` has the last position, and is locked by who gives positions.
 * - The last sequence of an aggregate is its `version`, also when none of its events is left.
 */
export const step1 = (schema: string): ReadonlyArray<string> => [
  `CREATE TABLE ${schema}.entries (
    key text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    expires_at float8,
    value text NOT NULL
  )`,
  // for what is to be removed
  `CREATE INDEX entries_by_expiry ON ${schema}.entries (expires_at) WHERE expires_at IS NOT NULL`,
  `CREATE SEQUENCE ${schema}.entry_versions`,
  `CREATE TABLE ${schema}.leases (
    resource text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    token bigint NOT NULL,
    expires_at float8 NOT NULL
  )`,
  `CREATE TABLE ${schema}.lease_waiters (
    resource text COLLATE "C" NOT NULL,
    holder text COLLATE "C" NOT NULL,
    ticket bigint NOT NULL,
    expires_at float8 NOT NULL,
    PRIMARY KEY (resource, holder)
  )`,
  `CREATE INDEX lease_waiters_by_expiry ON ${schema}.lease_waiters (expires_at)`,
  `CREATE SEQUENCE ${schema}.lease_tickets`,
  `CREATE TABLE ${schema}.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint,
    aggregate_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL CONSTRAINT events_by_event_id UNIQUE,
    event_type text COLLATE "C" NOT NULL,
    schema_version bigint NOT NULL,
    at float8 NOT NULL,
    payload text NOT NULL,
    CONSTRAINT events_by_aggregate UNIQUE (aggregate_id, sequence)
  )`,
  `CREATE UNIQUE INDEX events_by_position ON ${schema}.events (position) WHERE position IS NOT NULL`,
  // for what has no position yet
  `CREATE INDEX events_to_place ON ${schema}.events (id) WHERE position IS NULL`,
  `CREATE TABLE ${schema}.event_positions (last bigint NOT NULL)`,
  `INSERT INTO ${schema}.event_positions VALUES (0)`,
  `CREATE TABLE ${schema}.aggregates (
    aggregate_id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL
  )`,
  `CREATE TABLE ${schema}.event_states (
    aggregate_id text COLLATE "C" PRIMARY KEY,
    sequence bigint NOT NULL,
    schema_version bigint NOT NULL,
    state text NOT NULL
  )`,
  `CREATE TABLE ${schema}.event_snapshots (
    aggregate_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    schema_version bigint NOT NULL,
    at float8 NOT NULL,
    state text NOT NULL,
    PRIMARY KEY (aggregate_id, sequence)
  )`
]
