import type { RaceProgress } from '../../harness/race-result.js'
import type { DemoScenarioResult, DemoVersionName, DemoVersionResult } from '../../report/demo-result.js'
import type { Scenario } from './scenario.js'

/** What a running demo tells its display, in this order; `racing` many times. */
export type DemoEvent =
  | { readonly type: 'starting' }
  | { readonly type: 'started'; readonly database: string }
  | { readonly type: 'scenario'; readonly scenario: Scenario; readonly position: number; readonly of: number }
  | { readonly type: 'version'; readonly version: DemoVersionName; readonly round: number }
  | { readonly type: 'racing'; readonly progress: RaceProgress }
  | { readonly type: 'version-done'; readonly result: DemoVersionResult }
  | { readonly type: 'scenario-done'; readonly result: DemoScenarioResult }
  | { readonly type: 'stopping' }

export type DemoListener = (event: DemoEvent) => void
