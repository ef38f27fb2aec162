/**
 * The views of a SQLite store: for people and dashboards, which only read. Times are milliseconds since the epoch.
 *
 * Their text uses nothing that SQLite 3.37 could not parse: a tool that can't parse a view can't read the file at all.
 */

const now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"

/** The segments of a path, as `json_each` takes them. */
const segments = (path: string): string => `'[' || replace(json_quote(${path}), '/', '","') || ']'`

// `SignalPaths.includes`
const isSignal = `EXISTS (
      SELECT 1 FROM json_each(inputs.signals) AS pattern
        WHERE json_array_length(${segments("pattern.value")}) = json_array_length(${segments("modules.module")})
          AND NOT EXISTS (
            SELECT 1 FROM json_each(${segments("pattern.value")}) AS expected
              JOIN json_each(${segments("modules.module")}) AS actual ON actual.key = expected.key
              WHERE CASE WHEN expected.value = ':'
                THEN actual.value = '' OR actual.value GLOB '*[^0-9]*' OR actual.value GLOB '0?*'
                ELSE actual.value <> expected.value END
          )
    )`

/** Those of step 3. */
export const step3: ReadonlyArray<string> = [
  `CREATE VIEW run_list AS
    SELECT run_id, dag, status, owner, heartbeat_at, created_at, coalesce(reopened_at, created_at) AS started_at,
        finished_at, wake_at, epoch, seq, recoveries, quarantined
      FROM runs`,

  `CREATE VIEW module_list AS
    SELECT run_id, module, modules.status, attempt, scheduled_at, started_at, modules.finished_at, failure, because, until,
        items, coalesce(output, (SELECT value FROM blobs WHERE blobs.id = modules.blob)) AS output
      FROM modules JOIN runs ON runs.id = modules.run`,

  // the index of an item or, of a module, how many items it has
  `CREATE VIEW history AS
    SELECT run_id, transitions.seq, at, nullif(transitions.status, '') AS status, module, attempt,
        CASE WHEN attempt IS NULL THEN item END AS item, CASE WHEN attempt IS NOT NULL THEN item END AS items,
        failure, because, until, shared, transitions.epoch
      FROM transitions JOIN runs ON runs.id = transitions.run`,

  // that should be driven now, and of which nothing was heard for a minute: no heartbeat, no change
  `CREATE VIEW stuck_runs AS
    SELECT run_id, dag, status, owner, heartbeat_at, wake_at, changed_at, now - heard_at AS silent_for, epoch,
        recoveries, quarantined
      FROM (
        SELECT *, max(heartbeat_at, changed_at, ifnull(wake_at, 0)) AS heard_at
          FROM (
            SELECT *, ${now} AS now,
                max(created_at, ifnull(reopened_at, 0), ifnull(
                  (SELECT at FROM transitions WHERE transitions.run = runs.id ORDER BY transitions.seq DESC LIMIT 1), 0
                )) AS changed_at
              FROM runs WHERE finished_at IS NULL AND status IN ('running', 'suspended')
          )
      )
      WHERE now - heard_at > 60000 AND (status = 'running' OR wake_at IS NOT NULL)`,

  `CREATE VIEW failed_runs AS
    SELECT run_id, dag, runs.finished_at, module, attempt,
        CASE WHEN json_valid(failure) THEN json_extract(failure, '$.kind') END AS kind,
        CASE WHEN json_valid(failure) THEN json_extract(failure, '$.message') END AS message
      FROM runs LEFT JOIN modules ON modules.run = runs.id AND modules.status = 'failed'
      WHERE runs.status = 'failed'`,

  // what each of them waits for: a signal, a time, or whichever comes first
  `CREATE VIEW suspended_runs AS
    SELECT run_id, dag, wake_at, quarantined, module, until, ${isSignal} AS signal
      FROM runs JOIN inputs ON inputs.run = runs.id
        LEFT JOIN modules ON modules.run = runs.id AND modules.status = 'suspended'
      WHERE runs.status = 'suspended'`,

  `CREATE VIEW dead_letter_list AS
    SELECT at, kind, key, epoch, reason, message, count, updates FROM dead_letters ORDER BY id DESC`
]
