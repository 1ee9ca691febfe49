/**
 * One statement that reads who waits for whom in the current database, as JSON in one column of one row.
 *
 * - pg_locks and pg_blocking_pids tell everybody everything; of other users' sessions, pg_stat_activity tells only members of
 *   pg_read_all_stats more than their name.
 * - Who waits for a row holds, or waits for, the tuple lock of that row, and then waits for the transaction that has locked it
 *   (heapam's README.tuplock): the tuple lock is what tells the row and the strength.
 * - pg_blocking_pids also names those who are ahead in the queue for the same lock. They are left out while there is one who
 *   holds it, as whoever waits in that queue is shown below the holder.
 * - A prepared transaction has no session, and is blocker 0.
 * - Each is read at a moment of its own: a session may be gone, or granted its lock, from one to the next.
 */
export const LOCK_TREE = `
WITH locks AS MATERIALIZED (
  SELECT coalesce(pid, 0) AS pid, granted, locktype, relation, page, tuple, classid, objid, objsubid, mode, waitstart,
    concat_ws(' ', locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid) AS tag
  FROM pg_locks
), waiting AS MATERIALIZED (
  SELECT DISTINCT ON (pid) locks.* FROM locks JOIN pg_stat_activity USING (pid)
  WHERE NOT granted AND datname = current_database()
), queue AS MATERIALIZED (
  SELECT pid, blocker, (blocker, tag) IN (SELECT pid, tag FROM locks WHERE granted) AS holds
  FROM waiting, unnest(pg_blocking_pids(pid)) AS blocker
  WHERE blocker <> pid
), blocked AS MATERIALIZED (
  SELECT pid, coalesce(array_agg(DISTINCT blocker) FILTER (WHERE holds), array_agg(DISTINCT blocker)) AS blockers
  FROM queue GROUP BY pid
), rows AS (
  SELECT DISTINCT ON (waiting.pid) waiting.pid, own.relation, own.page, own.tuple, own.mode
  FROM waiting JOIN locks AS own ON own.pid = waiting.pid AND own.locktype = 'tuple'
  WHERE waiting.locktype IN ('tuple', 'transactionid')
  ORDER BY waiting.pid, own.granted
), waits AS (
  SELECT pid, json_build_object(
    'type', waiting.locktype, 'duration', greatest(0, round(extract(epoch FROM clock_timestamp() - waiting.waitstart) * 1000)),
    'classid', waiting.classid::bigint, 'objid', waiting.objid::bigint, 'objsubid', waiting.objsubid,
    'relation', class.oid::bigint, 'schema', nspname, 'table', relname,
    'page', rows.page, 'tuple', rows.tuple, 'mode', rows.mode,
    'readable', has_schema_privilege(class.relnamespace, 'USAGE') AND has_table_privilege(class.oid, 'SELECT'),
    'key', (
      SELECT json_agg(json_build_object('column', attname, 'type', format_type(atttypid, NULL)) ORDER BY place)
      FROM pg_index CROSS JOIN unnest(indkey::int2[]) WITH ORDINALITY AS part (number, place)
      JOIN pg_attribute ON attrelid = indrelid AND attnum = part.number
      WHERE indrelid = class.oid AND indisprimary AND place <= indnkeyatts
    )) AS wait
  FROM waiting LEFT JOIN rows USING (pid)
  LEFT JOIN pg_class AS class ON class.oid = coalesce(rows.relation, CASE waiting.locktype WHEN 'relation' THEN waiting.relation END)
  LEFT JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
), sessions AS (
  SELECT pid, application_name, usename, state, query, xact_start FROM pg_stat_activity
  UNION ALL
  SELECT 0, '', min(owner), 'prepared', string_agg('PREPARE TRANSACTION ' || quote_literal(gid), '; ' ORDER BY prepared), min(prepared)
  FROM pg_prepared_xacts WHERE database = current_database()
)
SELECT json_build_object(
  'readAt', extract(epoch FROM clock_timestamp()) * 1000,
  'sessions', coalesce(json_agg(json_build_object(
    'pid', pid, 'applicationName', application_name, 'user', usename, 'state', state, 'query', query,
    'transactionAge', round(extract(epoch FROM clock_timestamp() - xact_start) * 1000),
    'blockers', blockers, 'wait', wait)), '[]'))::text AS json
FROM sessions LEFT JOIN blocked USING (pid) LEFT JOIN waits USING (pid)
WHERE pid IN (SELECT pid FROM blocked UNION SELECT unnest(blockers) FROM blocked)`
