// Runs on whatever Node (18 or newer) the machine has: installs what is missing, then hands over to the pinned Node.
import { spawnSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'node_modules', '.trimaran-installed')
const pinnedNode = join(
  root,
  'node_modules',
  'node',
  'bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
)

const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'scripts/vitest.config.ts']
const commands = {
  start: ['packages/cli/bin/trimaran.mjs', 'cluster', 'up'],
  test: ['scripts/test.ts'],
  check: ['scripts/test.ts', '--checks-only'],
  sim: ['test-cluster/sim/main.ts'],
  chaos: [...vitest, '--no-file-parallelism', 'test-cluster/chaos'],
  soak: ['test-cluster/soak/main.ts'],
  compat: [...vitest, '--no-file-parallelism', 'test-cluster/compat'],
  bench: ['scripts/bench/main.ts'],
  'bench:micro': ['scripts/micro-bench/main.ts'],
}

function wantedInstall() {
  const hash = createHash('sha256')
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json'])
    hash.update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

function install() {
  const wanted = wantedInstall()
  const present =
    existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && existsSync(pinnedNode)
  if (present) return
  const { config } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  process.stderr.write('Installing what is missing (once, about half a minute)…\n')
  const result = spawnSync(
    'npm',
    [
      'exec',
      '--yes',
      `--package=pnpm@${config.pnpm}`,
      '--',
      'pnpm',
      'install',
      '--frozen-lockfile',
      '--reporter=append-only',
    ],
    {
      cwd: root,
      shell: process.platform === 'win32',
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  if (result.status !== 0 || !existsSync(pinnedNode)) {
    process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
    process.stderr.write(
      'Installing failed; what the package manager said stands above. Check that the npm registry can be reached and try again.\n',
    )
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
}

const [name = '', ...rest] = process.argv.slice(2)
const command = commands[name]
if (command === undefined) {
  process.stderr.write(`usage: node scripts/bootstrap.mjs ${Object.keys(commands).join(' | ')}\n`)
  process.exit(2)
}
install()
const [script = '', ...preset] = command
const child = spawn(pinnedNode, [join(root, script), ...preset, ...rest], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH ?? ''}` },
})
// The terminal sends Ctrl-C to the whole group; what is left is to wait for the child's clean stop.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT') child.kill(signal)
  })
}
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
