/** For `JSON.stringify`, which has no bigint. */
export const bigintAsText = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)
