import { createWriteStream, mkdirSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseBootstrap } from '../client/cluster-client.ts'
import { readState, type LocalNode } from '../local-cluster/state.ts'
import { CliError, exitCodes } from '../output.ts'

/** Neither fetch nor an `import` of node:http: both load what costs more than the rest of a command. */
const { get } = process.getBuiltinModule('node:http')
/** Nodes profile no longer. */
const profileSecondsMax = 120
/** Of a load that ends by a count, nobody knows beforehand how long it lasts. */
const profileSecondsOpen = 10

export interface ProfileOptions {
  readonly bootstrapServer: string
  /** Where profiles go; without it none are taken. */
  readonly profile?: string
  /** Of the local cluster. */
  readonly dir: string
  readonly duration?: number
  readonly warmUp?: number
}

/** Runs a load while every node of the local cluster profiles itself; both must succeed. */
export async function withProfiles<T>(options: ProfileOptions, load: () => Promise<T>): Promise<T> {
  const { profile } = options
  if (profile === undefined) return load()
  const nodes = profiledNodes(options)
  mkdirSync(profile, { recursive: true })
  const ended = new AbortController()
  const seconds = Math.min(profileSecondsMax, options.duration ?? profileSecondsOpen)
  const profiles = Promise.all(
    nodes.map(node =>
      profileNode(node, seconds, (options.warmUp ?? 0) * 1000, profile, ended.signal),
    ),
  )
  // A load that fails says why; its profiles are of no interest then.
  profiles.catch(() => {})
  try {
    const report = await load()
    const files = await profiles
    process.stderr.write(
      `CPU profiles (Chrome DevTools, speedscope): ${files.map(file => resolve(file)).join(' ')}\n`,
    )
    return report
  } finally {
    ended.abort()
    await profiles.catch(() => {})
  }
}

function profiledNodes({ bootstrapServer, dir }: ProfileOptions): readonly LocalNode[] {
  const state = readState(dir)
  const isLocal = parseBootstrap(bootstrapServer).some(
    ({ host, port }) =>
      ['localhost', '127.0.0.1', '::1'].includes(host) &&
      state?.nodes.some(node => node.port === port) === true,
  )
  if (state === null || !isLocal) {
    const what = state === null ? 'there is none' : `the one there is not at ${bootstrapServer}`
    throw new CliError(
      `Profiles are taken of a cluster started by \`trimaran cluster up\`, and in ${resolve(dir)} ${what}. Name its directory with --dir and its nodes with --bootstrap-server.`,
      exitCodes.usage,
    )
  }
  return state.nodes
}

async function profileNode(
  node: LocalNode,
  seconds: number,
  delayMs: number,
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  await new Promise<void>((settle, fail) => {
    const timer = setTimeout(settle, delayMs)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      fail(new Error('the load has ended'))
    })
  })
  const file = join(directory, `node-${node.id}.cpuprofile`)
  const response = await new Promise<IncomingMessage>((settle, fail) => {
    const path = `/profile?seconds=${seconds}`
    get({ host: '127.0.0.1', port: node.httpPort, path, signal }, settle).on('error', fail)
  }).catch((error: Error) => {
    throw new CliError(`Node ${node.id} could not be profiled: ${error.message}`)
  })
  if (response.statusCode !== 200) {
    const text = (await response.setEncoding('utf8').toArray()).join('')
    throw new CliError(`Node ${node.id} could not be profiled: ${text.trim()}`)
  }
  try {
    await pipeline(response, createWriteStream(file))
    return file
  } catch (error) {
    rmSync(file, { force: true })
    throw new CliError(`Node ${node.id} could not be profiled: ${(error as Error).message}`)
  }
}
