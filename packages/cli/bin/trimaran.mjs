#!/usr/bin/env node
// Read by every Node there is: an older one has neither a compile cache nor a way to run TypeScript.
import module from 'node:module'

const neededMajor = 24

if (Number.parseInt(process.versions.node, 10) < neededMajor) {
  process.stderr.write(
    `error: trimaran needs Node.js ${neededMajor} or newer, and this is ${process.versions.node}. Install it from https://nodejs.org, or with your version manager.\n`,
  )
  process.exitCode = 1
} else {
  // Before the first TypeScript module: with a warm cache Node need not load the compiler at all.
  module.enableCompileCache()
  await import('../src/main.ts')
}
