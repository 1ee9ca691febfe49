// In src/, because the published demo runs it and examples/ is not published.
export { naiveBuyTicket, naiveBuyAnyTicket } from '../../src/cli/demo/naive/ticket.js'
