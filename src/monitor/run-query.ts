/** Runs one SQL query that returns one row with a text, so that it waits for no lock and changes nothing. */
export type RunQuery = (sql: string) => Promise<readonly { readonly json: string }[]>
