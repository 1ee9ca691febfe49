import type { DemoResult, DemoScenarioResult, DemoVersionResult } from '../../../src/report/demo-result.js'

export const locked: DemoVersionResult = {
  version: 'locked',
  attempts: 15,
  succeeded: 1,
  expected: 1,
  lost: { amount: 0, unit: 'tickets' },
  duration: 84.6,
  deadlocksRetried: 3,
  rounds: 1,
  errors: { SOLD_OUT: 14 },
  findings: [],
}

export const naive: DemoVersionResult = {
  ...locked,
  version: 'naive',
  succeeded: 14,
  lost: { amount: 13, unit: 'tickets' },
  deadlocksRetried: 0,
  errors: { Error: 1 },
  findings: ['14 tickets were sold; there was 1.'],
}

export function scenario(...versions: DemoVersionResult[]): DemoScenarioResult {
  return { name: 'ticket', title: 'Ticket', raced: '15 buyers and 1 ticket.', rule: 'Exactly 1 buyer gets it.', versions }
}

export function demo(...scenarios: DemoScenarioResult[]): DemoResult {
  return { database: 'embedded', duration: 12_345.6, scenarios }
}
