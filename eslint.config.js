import js from '@eslint/js'
import tseslint from 'typescript-eslint'

const onlyInCli = 'Only src/cli has a console and exit codes; libraries return values and throw errors.'

// The harness starts servers and worker processes, so that it has to know the process it runs in. It still
// prints nothing. Every other part of src/ is told what it needs.
// What a listener throws is nobody's to catch: it becomes a warning of the process, as of Node's own.
const PARTS_WITH_PROCESS = ['src/cli/**', 'src/harness/**', 'src/events/warn-once.ts']

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '.tmp/', '**/generated/'] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js', '.*.mjs', 'scripts/*.mjs', 'test/*/*.mjs'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      // What was caught, and the reason of an AbortSignal, are passed on as they are.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowThrowingAny: true, allowRethrowing: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true, allowThrowingAny: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      eqeqeq: 'error',
      // `noUncheckedIndexedAccess` makes every read by index optional, also where the program knows better.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Callers in JavaScript pass what the types exclude, and every public function checks for it.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // `return reject(error)` leaves early in one line.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // `async () => void (await stop())` does not pass the value on.
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // Interfaces here are written with methods and destructured; none of them needs its `this`.
      '@typescript-eslint/unbound-method': 'off',
      // TypeScript's own way to say "nothing is there yet" and "no fields of its own".
      '@typescript-eslint/no-empty-object-type': ['error', { allowObjectTypes: 'always', allowInterfaces: 'with-single-extends' }],
      // `async` states the contract (never throws synchronously), also where nothing is awaited.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['src/**'],
    // A rule that is wrong somewhere is changed here, with its reason, and never switched off in place.
    linterOptions: { noInlineConfig: true },
    rules: {
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
        { selector: 'TSEnumDeclaration', message: 'A union of string literals instead of an enum.' },
        { selector: 'TSModuleDeclaration[kind="namespace"]', message: 'A module instead of a namespace.' },
      ],
    },
  },
  {
    files: ['src/**'],
    ignores: PARTS_WITH_PROCESS,
    rules: {
      'no-restricted-globals': ['error', { name: 'process', message: onlyInCli }],
      'no-restricted-imports': ['error', { name: 'node:process', message: onlyInCli }, { name: 'process', message: onlyInCli }],
    },
  },
  { files: ['src/cli/**'], rules: { 'no-console': 'off' } },
  {
    // A public entry says what is public, and does nothing.
    files: ['src/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'Program > :not(ExportNamedDeclaration[source])',
          message: 'A file directly in src/ only re-exports, by name.',
        },
      ],
    },
  },
  {
    // These meet Prisma's types, where Prisma itself says `any`; test/types proves that none gets out.
    files: ['src/extension/extension-types.ts', 'src/extension/lock-in-order.ts', 'src/repositories/repository-client.ts'],
    rules: { '@typescript-eslint/no-explicit-any': 'off' },
  },
  {
    files: ['test/**', 'examples/**', 'bench/**', 'scripts/**', 'torture/**'],
    rules: {
      // Tests call the API as JavaScript would, and hold answers of SQL and JSON that nobody has typed.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-explicit-any': 'off',
      // JavaScript throws anything, so that some tests do as well.
      '@typescript-eslint/only-throw-error': 'off',
    },
  },
  {
    // In Nest a module is a class for its decorator's sake, and options are declared as classes and given as literals.
    files: ['examples/nest/**'],
    rules: {
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  {
    // Nothing of this runs: a refusal needs no second sentence where the test's title says it, and a read is
    // there for its type.
    files: ['test/types/**'],
    rules: {
      '@typescript-eslint/ban-ts-comment': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-unused-vars': 'off',
    },
  },
  {
    // A package of its own, whose types are not there before `npm run bench` has installed and checked it.
    files: ['bench/compare/**'],
    extends: [tseslint.configs.disableTypeChecked],
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
)
