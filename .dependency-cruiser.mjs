// Which part of src/ may import which. The arrows of the parts point one way:
//   core <- sql <- adapter, events <- transaction <- extension <- idempotency <- repositories;  extension <- lockers, jobs, monitor
//   core <- adapter <- doctor;  core <- explorer, doctor <- report <- harness;  harness takes adapter and sql;  cli takes all
const MAY_IMPORT = {
  core: [],
  sql: ['core'],
  adapter: ['core', 'sql'],
  events: ['core', 'sql'],
  transaction: ['core', 'sql', 'adapter', 'events'],
  extension: ['core', 'sql', 'adapter', 'events', 'transaction'],
  idempotency: ['core', 'sql', 'adapter', 'transaction', 'extension'],
  repositories: ['core', 'sql', 'adapter', 'transaction', 'extension', 'idempotency', 'generated'],
  lockers: ['core', 'sql', 'adapter', 'transaction', 'extension'],
  jobs: ['core', 'sql', 'adapter', 'transaction', 'extension'],
  monitor: ['core', 'sql', 'adapter', 'transaction', 'extension'],
  explorer: ['core'],
  harness: ['core', 'sql', 'adapter', 'explorer', 'report'],
  doctor: ['core', 'adapter'],
  report: ['core', 'explorer', 'monitor', 'doctor'],
  cli: [
    'core',
    'sql',
    'adapter',
    'events',
    'transaction',
    'extension',
    'idempotency',
    'repositories',
    'lockers',
    'jobs',
    'monitor',
    'explorer',
    'harness',
    'doctor',
    'report',
    'generated',
  ],
  generated: [],
}

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...Object.entries(MAY_IMPORT).map(([part, allowed]) => ({
      name: `${part}-imports`,
      comment: `${part} may import ${allowed.length > 0 ? allowed.join(', ') : 'no other part'}.`,
      severity: 'error',
      from: { path: `^src/${part}/` },
      to: { path: '^(src|test|scripts|bench|examples)/', pathNot: `^src/(${[part, ...allowed].join('|')})/` },
    })),
    {
      name: 'known-parts',
      comment: 'A folder of src/ is a part of its own and needs its line in the table above.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/(${Object.keys(MAY_IMPORT).join('|')})/` },
      to: {},
    },
    {
      name: 'entries-re-export-folders',
      comment: 'A file directly in src/ is a public entry: it re-exports from the folders.',
      severity: 'error',
      from: { path: '^src/[^/]+$' },
      to: { pathNot: '^src/[^/]+/' },
    },
    {
      name: 'no-cycles',
      comment: 'Two modules that need each other are one, or lack a third.',
      severity: 'error',
      from: { path: '^src/', pathNot: '/generated/' },
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'What is imported must exist.',
      severity: 'error',
      from: { path: '^src/', pathNot: '/generated/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'declared',
      comment: 'Who installs the package gets its dependencies and is told its peers, and has none of its devDependencies.',
      severity: 'error',
      from: { path: '^src/', pathNot: '/generated/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'], dependencyTypesNot: ['npm', 'npm-peer'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|\\.tmp)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
}
