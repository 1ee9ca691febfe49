import type postgres from 'postgres'

/** Where in the server a call is stopped. */
export const STAGES = ['locked', 'changed', 'in COMMIT', 'committed'] as const
export type Stage = (typeof STAGES)[number]

/** A backend that has come to its place. */
export interface Stopped {
  readonly slot: number
  readonly stage: Stage
  readonly pid: number
  /** The statement that it is at. */
  readonly query: string
}

/** What the server must be started with for {@link installStages}. */
export const STAGE_SETTINGS = {
  wal_level: 'replica',
  max_wal_senders: '2',
  synchronous_standby_names: 'nobody',
  synchronous_commit: 'local',
}

// A slot is a user, and what the queue of a job begins with. A session stops where the table tells its slot to: on an
// advisory lock of the two numbers, or, when its transaction is committed, in the wait for a standby that there is
// not. Of every other transaction the commit waits for nobody.
const SCHEMA = `
  CREATE TABLE "Stop" (slot int, stage int, PRIMARY KEY (slot, stage));
  CREATE FUNCTION stop_at(slot_ int, stage_ int) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      IF NOT EXISTS (SELECT FROM "Stop" WHERE slot = slot_ AND stage = stage_) THEN RETURN; END IF;
      IF stage_ = 4 THEN PERFORM set_config('synchronous_commit', 'on', true);
      ELSE PERFORM pg_advisory_xact_lock(stage_, slot_);
      END IF;
    END $$;
  CREATE FUNCTION stop_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM stop_at(NEW."userId", 1); RETURN NEW; END $$;
  CREATE FUNCTION stop_entry() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE slot_ int := (SELECT "userId" FROM "Wallet" WHERE "id" = NEW."walletId");
    BEGIN
      IF TG_NAME = 'changed' THEN PERFORM stop_at(slot_, 2);
      ELSE PERFORM stop_at(slot_, 3); PERFORM stop_at(slot_, 4);
      END IF;
      RETURN NULL;
    END $$;
  CREATE FUNCTION stop_job() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE slot_ int := split_part(NEW."queue", ':', 1)::int;
    BEGIN
      IF TG_NAME = 'locked' THEN PERFORM stop_at(slot_, 1);
      ELSIF TG_NAME = 'changed' THEN PERFORM stop_at(slot_, 2);
      ELSE PERFORM stop_at(slot_, 3); PERFORM stop_at(slot_, 4);
      END IF;
      RETURN NEW;
    END $$;
  CREATE TRIGGER locked BEFORE UPDATE ON "Wallet" FOR EACH ROW EXECUTE FUNCTION stop_wallet();
  CREATE TRIGGER changed AFTER INSERT ON "WalletEntry" FOR EACH ROW EXECUTE FUNCTION stop_entry();
  CREATE CONSTRAINT TRIGGER committing AFTER INSERT ON "WalletEntry" DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION stop_entry();
  CREATE TRIGGER locked BEFORE UPDATE ON "Job" FOR EACH ROW EXECUTE FUNCTION stop_job();
  CREATE TRIGGER changed AFTER UPDATE ON "Job" FOR EACH ROW EXECUTE FUNCTION stop_job();
  CREATE CONSTRAINT TRIGGER committing AFTER UPDATE ON "Job" DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION stop_job();`

/** Gives the database places at which a session stops, each where PostgreSQL itself waits and says so. */
export async function installStages(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(SCHEMA)
}

const numberOf = (stage: Stage) => STAGES.indexOf(stage) + 1

/** From now on the slot stops there. `sql` is one connection, which holds what it stops at. */
export async function stopAt(sql: postgres.Sql, slot: number, stage: Stage): Promise<void> {
  await sql`SELECT pg_advisory_lock(${numberOf(stage)}::int, ${slot}::int)`
  await sql`INSERT INTO "Stop" VALUES (${slot}, ${numberOf(stage)})`
}

/** Nobody stops there any more; who has, stays until {@link letGo}. */
export async function stopNoMore(sql: postgres.Sql): Promise<void> {
  await sql`DELETE FROM "Stop"`
}

export async function letGo(sql: postgres.Sql): Promise<void> {
  await sql`SELECT pg_advisory_unlock_all()`
}

/** The sessions that have stopped, by the word of PostgreSQL. */
export async function findStopped(sql: postgres.Sql): Promise<Stopped[]> {
  const rows = await sql<{ slot: number; stage: number; pid: number; query: string }[]>`
    SELECT objid::int AS slot, classid::int AS stage, pid, query FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objsubid = 2 AND NOT granted
    UNION ALL
    SELECT substring(application_name FROM '[0-9]+')::int, 4, pid, query FROM pg_stat_activity
    WHERE wait_event = 'SyncRep' AND application_name LIKE 'slot %'`
  return rows.map(({ stage, ...row }) => ({ ...row, stage: STAGES[stage - 1]! }))
}
