import type postgres from 'postgres'

// The offset stands in a sequence, which is neither locked nor rolled back: like time, it passes for all at
// once. The row says that something has changed, without which the explorer would not put the sequence back.
const SCHEMA = `
  CREATE SCHEMA virtual_time;
  CREATE SEQUENCE virtual_time.elapsed MINVALUE 0 START 0;
  CREATE TABLE virtual_time.advanced (milliseconds bigint NOT NULL);
  CREATE FUNCTION virtual_time.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    $$ SELECT pg_catalog.clock_timestamp() + last_value * interval '1 millisecond' FROM virtual_time.elapsed $$;
  CREATE FUNCTION virtual_time.advance(milliseconds bigint) RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ INSERT INTO virtual_time.advanced VALUES (milliseconds);
       SELECT setval('virtual_time.elapsed', last_value + milliseconds) FROM virtual_time.elapsed $$;
  DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = virtual_time, pg_catalog, public', current_database());
  END $$`

/**
 * Gives the database a `clock_timestamp()` that a test can move forward. Holds for every session that is
 * opened afterwards and calls the function by its bare name.
 */
export async function installVirtualServerClock(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(SCHEMA)
}

interface RawClient {
  $queryRawUnsafe(sql: string): PromiseLike<unknown>
}

/**
 * Moves the clock of {@link installVirtualServerClock} forward for all sessions: one statement, a step of a
 * schedule. The explorer takes a call of a function that it does not know to depend on everything.
 */
export async function advanceServerClock(client: RawClient, milliseconds: number): Promise<void> {
  await client.$queryRawUnsafe(`SELECT virtual_time.advance(${milliseconds})`)
}
