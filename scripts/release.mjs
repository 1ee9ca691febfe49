// Publishes the version of package.json, with provenance, from the commit that is tagged with it; `--dry-run` goes
// through all of it without publishing, before there is a tag. Refuses with every reason that it finds at once.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { version, repository } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
const tag = `v${version}`
const options = process.argv.slice(2)
const dryRun = options.includes('--dry-run')

const unknown = options.filter((option) => option !== '--dry-run')
refuseFor(unknown.map((option) => `There is no option ${option}: only --dry-run.`))
refuseFor([...ofTree(), ...ofTag(), ...ofManifest(), ...ofChangelog()])
// These take their time, and are of no use where the others refuse.
refuseFor(ofAudit())
refuseFor(ofChecks())
const published = run('npm', 'publish', '--provenance', '--access', 'public', ...(dryRun ? ['--dry-run'] : []))
process.exit(published ? 0 : 1)

function* ofTree() {
  if (git('status', '--porcelain') !== '') yield 'The working tree has changes: commit them, or put them away.'
  const onMain = ['main', 'origin/main'].some((branch) => git('merge-base', '--is-ancestor', 'HEAD', branch) !== undefined)
  if (!onMain) yield 'This commit is not on main.'
}

function* ofTag() {
  const tagged = git('rev-parse', '--verify', '--quiet', `${tag}^{commit}`)
  if (tagged === undefined && !dryRun) yield `This commit is not tagged ${tag}.`
  if (tagged !== undefined && tagged !== git('rev-parse', 'HEAD')) yield `${tag} is another commit: raise the version.`
}

function* ofManifest() {
  if (!repository) yield 'package.json has no "repository", which provenance is checked against.'
}

function* ofChangelog() {
  const changelog = existsSync(`${root}/CHANGELOG.md`) ? readFileSync(`${root}/CHANGELOG.md`, 'utf8') : ''
  const section = changelog.split(/^## /m).find((text) => text.startsWith(`[${version}]`))
  if (!/^- /m.test(section ?? '')) yield `CHANGELOG.md has no section [${version}] that lists a change.`
}

function* ofAudit() {
  if (!run('npm', 'audit', '--omit=dev')) yield 'npm audit --omit=dev has found something, or could not be asked.'
}

function* ofChecks() {
  if (!run('.ci/run')) yield '.ci/run has failed.'
}

function refuseFor(found) {
  const reasons = [...found]
  if (reasons.length === 0) return
  console.error([`${tag} is not released.`, ...reasons.map((reason) => `- ${reason}`)].join('\n'))
  process.exit(1)
}

/** What git printed; undefined when it failed. */
function git(...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** Whether it succeeded; what it prints is seen. */
function run(command, ...args) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0
}
