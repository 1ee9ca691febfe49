import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // Tests and examples import the package by its name, as users do, and get its source.
    alias: [
      { find: /^rowlock$/, replacement: source('index.ts') },
      { find: /^rowlock\/(repositories|lockers|testing)$/, replacement: source('$1.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // Most of a test's time is PostgreSQL's: on two cores two files at a time take two thirds of the time of one.
    maxWorkers: '100%',
    // Bounds what hangs. A slow machine is no failure: nothing here is judged by how long it took.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
