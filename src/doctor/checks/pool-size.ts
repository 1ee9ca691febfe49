import { defineCheck } from '../check.js'

/** Every lock that is waited for keeps a connection: a pool that is larger than the server only moves the queue there. */
export const poolSizeCheck = defineCheck({
  name: 'pool-size',
  docs: 'docs/gate.md',
  needs: ['client', 'database'],
  run: ({ client: { pool }, database: { connectionLimit: limit, pooler } }) => {
    if (!pool) return [{ level: 'note', what: 'The size of the pool is not known here: its driver is not `pg`.' }]
    const size = `The pool takes up to ${pool.max} of the ${limit} connections that the server has for it`
    if (pooler.kind === 'proxy' && pooler.mode !== 'session') {
      return [{ level: 'ok', what: `The pool takes up to ${pool.max} connections of a proxy, which shares the server's ${limit}.` }]
    }
    if (pool.max > limit) {
      return [
        {
          level: 'problem',
          what: `${size}, which are not enough.`,
          todo: `Set \`max\` of the pool below ${limit} divided by the number of your processes; a \`gate\` is the cure for hot rows.`,
        },
      ]
    }
    if (pool.max * 2 > limit) {
      return [
        {
          level: 'warning',
          what: `${size}, so that a second process, as in a deployment, finds too few.`,
          todo: `Set \`max\` of the pool to ${limit} divided by the number of your processes, or raise \`max_connections\`.`,
        },
      ]
    }
    return [{ level: 'ok', what: `${size}: enough for ${Math.floor(limit / pool.max)} processes.` }]
  },
})
