/** Our own linter: what the general ones cannot know about this repository. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { mayImport } from './layers.ts'

const fileLinesMax = 600
/** A blob larger than this is data that belongs elsewhere. */
const fileBytesMax = 512 * 1024
const topLevel = new Set(
  'package.json pnpm-workspace.yaml pnpm-lock.yaml packages deploy scripts test-cluster README.md CHANGELOG.md LICENSE'.split(
    ' ',
  ),
)

export interface TidyFile {
  readonly path: string
  readonly text: string
}

/** What is ours: all that is neither installed nor made by a run. */
export function ownFiles(root: string, hasGit = true): TidyFile[] {
  const listed = hasGit ? gitLists(root) : null
  return (listed ?? filesBelow(root))
    .filter(path => existsSync(join(root, path)))
    .map(path => ({ path, text: readFileSync(join(root, path), 'latin1') }))
}

/** Null: a machine without git, or a copy without its history. */
function gitLists(root: string): string[] | null {
  try {
    const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
      cwd: root,
      encoding: 'utf8',
      stdio: 'pipe',
    })
    return listed.split('\0').filter(path => path !== '')
  } catch {
    return null
  }
}

/** As .gitignore has it. */
const isIgnored = (name: string): boolean =>
  /^(node_modules|\.types|data|\.trimaran|coverage|\.git)$|\.log$/.test(name)

function filesBelow(root: string, directory = ''): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap(entry => {
    if (isIgnored(entry.name)) return []
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return filesBelow(root, path)
    return entry.isFile() ? [path] : []
  })
}

export function checkFile({ path, text }: TidyFile): string[] {
  const problems: string[] = []
  const top = path.split('/')[0] ?? ''
  if (!top.startsWith('.') && !topLevel.has(top))
    problems.push(`${path}: does not belong at the top level`)
  if (text.length > fileBytesMax && path !== 'pnpm-lock.yaml')
    problems.push(`${path}: ${text.length} bytes; no blobs`)
  if (!/\.(ts|mjs)$/.test(path)) return problems
  const lines = text.split('\n').length
  if (lines > fileLinesMax && !path.includes('/generated/'))
    problems.push(`${path}: ${lines} lines, ${fileLinesMax} at most`)
  const isTidy = path === 'scripts/tidy.ts' || path === 'scripts/test/tidy.test.ts'
  if (!isTidy && /\b(FIXME|TODO|XXX|HACK)\b/.test(text))
    problems.push(`${path}: an unfinished thought (TODO, FIXME, …)`)
  if (!isTidy && /@ts-(ignore|nocheck)\b/.test(text))
    problems.push(`${path}: silences the compiler`)
  if (!isTidy && /\b(it|test|describe)\.(only|skip|todo)\b/.test(text))
    problems.push(`${path}: a test that does not run`)
  if (/^packages\/[a-z]+\/src\//.test(path) && /vi\.(mock|fn|spyOn)\(/.test(text))
    problems.push(`${path}: a mock`)
  return problems
}

function checkPackages(root: string): string[] {
  const problems: string[] = []
  for (const name of Object.keys(mayImport)) {
    const readme = join(root, 'packages', name, 'README.md')
    if (!existsSync(readme)) problems.push(`packages/${name}: no README.md`)
    else if (!/^## Invariants/m.test(readFileSync(readme, 'utf8')))
      problems.push(`packages/${name}/README.md: no "## Invariants"`)
  }
  return problems
}

/** Every handler file is numbered like its schema and begins with a comment that says what it serves. */
function checkHandlers(root: string): string[] {
  const directory = join(root, 'packages/broker/src/api')
  const schemas = readdirSync(join(root, 'packages/protocol/src/apis'))
  const problems: string[] = []
  for (const file of readdirSync(directory)) {
    if (!/^\d\d-.*\.ts$/.test(file)) continue
    if (!schemas.includes(file))
      problems.push(`packages/broker/src/api/${file}: no schema of that name in protocol/src/apis`)
    if (!readFileSync(join(directory, file), 'utf8').trimStart().startsWith('/*')) {
      problems.push(`packages/broker/src/api/${file}: no head comment (versions, behaviour, KIPs)`)
    }
  }
  return problems
}

function checkTestdata(files: readonly TidyFile[]): string[] {
  return files
    .filter(file => /\/testdata\/.*\.txt$/.test(file.path))
    .filter(file => {
      const testDirectory = dirname(dirname(file.path))
      return !files.some(
        other =>
          other.path.startsWith(testDirectory.replace(/\/test$/, '')) &&
          other.path.endsWith('.test.ts') &&
          (other.text.includes(basename(file.path)) || other.text.includes('testdata')),
      )
    })
    .map(file => `${file.path}: no test uses it`)
}

export function tidyProblems(root: string): string[] {
  const files = ownFiles(root)
  return [
    ...files.flatMap(checkFile),
    ...checkPackages(root),
    ...checkHandlers(root),
    ...checkTestdata(files),
  ]
}

if (import.meta.main) {
  const problems = tidyProblems(join(import.meta.dirname, '..'))
  for (const problem of problems) process.stdout.write(`✗ ${problem}\n`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
