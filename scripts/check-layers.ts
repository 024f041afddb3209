/** Fails when a package declares or imports what its layer may not. Run alone it prints the tower. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { layers, mayImport } from './layers.ts'

const nameOf = (specifier: string): string | null => {
  if (specifier === 'trimaran' || specifier.startsWith('trimaran/')) return 'cli'
  const match = /^@trimaran\/([a-z-]+)/.exec(specifier)
  return match?.[1] ?? null
}

/** Workspace packages that the text of a module imports. */
export function importedPackages(source: string): string[] {
  const found: string[] = []
  for (const match of source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    const name = nameOf(match[1] ?? '')
    if (name !== null) found.push(name)
  }
  return found
}

export function layerViolations(root: string): string[] {
  const violations: string[] = []
  for (const [name, allowed] of Object.entries(mayImport)) {
    const manifest = JSON.parse(
      readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'),
    ) as {
      dependencies?: Record<string, string>
    }
    for (const dependency of Object.keys(manifest.dependencies ?? {})) {
      const imported = nameOf(dependency)
      if (imported !== null && !allowed.includes(imported)) {
        violations.push(`packages/${name}/package.json: ${name} may not depend on ${imported}`)
      }
    }
    for (const file of globSync(`packages/${name}/src/**/*.ts`, { cwd: root })) {
      for (const imported of importedPackages(readFileSync(join(root, file), 'utf8'))) {
        if (imported !== name && !allowed.includes(imported)) {
          violations.push(`${file}: ${name} may not import ${imported}`)
        }
      }
    }
  }
  return violations
}

export function describeTower(): string {
  const level = (index: number): string => `L${index}  ${(layers[index] ?? []).join('   ')}`
  return layers.map((_, index) => level(layers.length - 1 - index)).join('\n')
}

if (import.meta.main) {
  const violations = layerViolations(join(import.meta.dirname, '..'))
  process.stdout.write(
    `${describeTower()}\n${violations.map(violation => `✗ ${violation}\n`).join('')}`,
  )
  process.exitCode = violations.length === 0 ? 0 : 1
}
