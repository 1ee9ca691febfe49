import { propertyOf } from '../core/option-checks.js'

export type OpenTelemetry = typeof import('@opentelemetry/api')

let loading: Promise<OpenTelemetry | undefined> | undefined

/** The API that the application's SDK has registered with, or will: undefined when it is not installed. */
export function loadOpenTelemetry(): Promise<OpenTelemetry | undefined> {
  return (loading ??= load())
}

async function load(): Promise<OpenTelemetry | undefined> {
  try {
    // Left to run time: a bundler would refuse to build what is not installed.
    return await import(/* webpackIgnore: true */ '@opentelemetry/api')
  } catch (error) {
    const code = propertyOf(error, 'code')
    if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}
