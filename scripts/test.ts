/**
 * The whole check of the repository: format, lint, types, layers, then every test that this machine can run. Ends with
 * `N passed, N failed, N skipped`. In CI (CI=true) nothing that the machine can run is skipped.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules', '.bin')
const checksOnly = process.argv.includes('--checks-only')
const totals = { passed: 0, failed: 0, skipped: 0 }

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** One check, counted as one test; prints what it said only when it fails. */
function check(name: string, command: string, args: readonly string[]): void {
  const started = performance.now()
  const result = spawnSync(join(bin, command), args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  if (result.status === 0) {
    totals.passed++
    say(`✓ ${name} (${seconds} s)`)
  } else {
    totals.failed++
    say(`✗ ${name} (${seconds} s)\n${result.stdout ?? ''}${result.stderr ?? ''}`)
  }
}

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly numFailedTestSuites: number
  readonly testResults: readonly {
    readonly status: string
    readonly assertionResults: readonly unknown[]
  }[]
}

function vitest(name: string, filters: readonly string[], extra: readonly string[] = []): void {
  say(`\n— ${name}`)
  const directory = mkdtempSync(join(tmpdir(), 'trimaran-test-'))
  const report = join(directory, 'report.json')
  const args = [
    'run',
    '--config',
    'scripts/vitest.config.ts',
    '--reporter=default',
    '--reporter=json',
  ]
  const result = spawnSync(
    join(bin, 'vitest'),
    [...args, `--outputFile.json=${report}`, ...extra, ...filters],
    {
      cwd: root,
      stdio: 'inherit',
    },
  )
  try {
    const read = JSON.parse(readFileSync(report, 'utf8')) as VitestReport
    const broken = read.testResults.filter(
      file => file.status === 'failed' && file.assertionResults.length === 0,
    )
    totals.passed += read.numPassedTests
    totals.failed += read.numFailedTests + broken.length
    totals.skipped += read.numPendingTests + read.numTodoTests
    if (result.status !== 0 && read.numFailedTests + broken.length === 0) totals.failed++
  } catch {
    totals.failed++
    say(`✗ ${name}: the test runner left no report (exit code ${String(result.status)})`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Fewer seeds than this do not meet every situation that a campaign must have been in. */
const seedsOfMarks = 500

function simulate(seeds: number): void {
  say(`\n— simulation: ${seeds} seeds of a whole cluster under faults`)
  const args = ['test-cluster/sim/main.ts', '--seeds', String(seeds)]
  if (seeds >= seedsOfMarks) args.push('--marks')
  const result = spawnSync(join(bin, 'node'), args, { cwd: root, stdio: 'inherit' })
  if (result.status === 0) totals.passed++
  else totals.failed++
}

check('format', 'oxfmt', ['--check'])
check('lint', 'oxlint', ['--quiet'])
check('types', 'tsc', ['-b', 'packages', 'test-cluster', 'scripts'])
check('types of tests', 'tsc', ['-p', 'packages/tsconfig.tests.json'])
if (!checksOnly) {
  vitest('packages and scripts', ['packages/', 'scripts/'])
  vitest('cluster: simulator and checkers', [
    'test-cluster/sim',
    'test-cluster/checkers',
    'test-cluster/soak',
  ])
  simulate(process.env['CI'] === undefined ? 100 : seedsOfMarks)
  vitest('cluster: bad input', ['test-cluster/hostile'], ['--no-file-parallelism'])
  vitest('cluster: real clients and tools', ['test-cluster/compat'], ['--no-file-parallelism'])
  vitest(
    'cluster: processes and containers that die',
    ['test-cluster/chaos'],
    ['--no-file-parallelism'],
  )
}
say(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exitCode = totals.failed === 0 ? 0 : 1
