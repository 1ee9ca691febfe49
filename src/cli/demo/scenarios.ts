import type { Scenario } from './scenario.js'
import { counterScenario } from './scenarios/counter.js'
import { orderScenario } from './scenarios/order.js'
import { signInScenario } from './scenarios/sign-in.js'
import { ticketScenario } from './scenarios/ticket.js'
import { transferScenario } from './scenarios/transfer.js'
import { withdrawScenario } from './scenarios/withdraw.js'

/** In the order in which the demo shows them. */
export const SCENARIOS: readonly Scenario[] = [
  signInScenario,
  ticketScenario,
  withdrawScenario,
  counterScenario,
  orderScenario,
  transferScenario,
]
