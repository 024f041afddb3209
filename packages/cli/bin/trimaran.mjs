#!/usr/bin/env node
import { enableCompileCache } from 'node:module'

// Before the first TypeScript module: with a warm cache Node need not load the compiler at all.
enableCompileCache()
await import('../src/main.ts')
