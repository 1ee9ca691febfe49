// Reads a report of vitest's json reporter and vitest's exit code, and prints `passed failed skipped`. A run
// that failed without a failed test (a file that did not load, an unhandled error, a crash, no test at
// all) counts as one failure, so that it can never look like a success.
import { readFileSync } from 'node:fs'

const [path, code] = process.argv.slice(2)
const { passed, failed, skipped } = countTests(readReport(path))
const broken = failed === 0 && (passed === 0 || code !== '0')
console.log(passed, broken ? 1 : failed, skipped)

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { testResults: [] }
  }
}

function countTests({ testResults }) {
  const count = { passed: 0, failed: 0, skipped: 0 }
  for (const { status, assertionResults } of testResults) {
    const states = assertionResults.map((test) => test.status)
    if (status === 'failed' && !states.includes('failed')) count.failed++
    for (const state of states) count[state === 'passed' || state === 'failed' ? state : 'skipped']++
  }
  return count
}
