import { createRequire } from 'node:module'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const TYPESCRIPT = /\.[cm]?tsx?$/

/**
 * The `node` flags that make `modules` loadable: none for JavaScript, `--import` of tsx for
 * TypeScript when tsx can be resolved from one of them or from here, else none, which leaves the
 * module to Node's own type stripping where there is one.
 */
export function findTypeScriptLoader(modules: readonly URL[]): string[] {
  if (!modules.some((module) => TYPESCRIPT.test(module.pathname))) return []
  const places = [...modules, new URL(import.meta.url), pathToFileURL(`${process.cwd()}/`)]
  for (const place of places) {
    try {
      return ['--import', pathToFileURL(createRequire(place).resolve('tsx')).href]
    } catch {
      // Not installed there; the next place may have it.
    }
  }
  return []
}
