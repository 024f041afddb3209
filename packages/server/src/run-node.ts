import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import type { ServerConfig } from './config/config.ts'
import type { Environment } from './config/environment.ts'
import { ClusterError } from '@trimaran/common'
import type { LogEvent, Random } from '@trimaran/common'
import type { FaultSwitches } from './faults/switches.ts'
import type { ClusterNode } from './node.ts'
import type { NodeHost } from './node-host.ts'
import type { Logger } from './ports/logger.ts'

export interface RunNodeOptions {
  /** Path of a server.properties file; null: environment and overrides alone. */
  readonly configFile: string | null
  readonly overrides: Readonly<Record<string, string>>
  readonly environment: Environment
}

/** A stop that takes longer is not clean any more; the next start recovers. */
const SHUTDOWN_DEADLINE_MS = 30_000

/**
 * One node in this process until SIGTERM or SIGINT. Resolves after a clean stop. A broken invariant, a failed fsync or a
 * second signal ends the process with a code that is not 0.
 */
export async function runNode(options: RunNodeOptions): Promise<void> {
  // First of all: the sources are stripped and compiled once, not at every start.
  enableCompileCache()
  const { loadConfig } = await import('./config/config.ts')
  const config = loadConfig({
    ...(options.configFile === null ? {} : { file: readConfigFile(options.configFile) }),
    environment: options.environment,
    overrides: options.overrides,
  })
  const { openLogger } = await import('./ports/logger.ts')
  const roles = [config.roles.broker ? 'broker' : '', config.roles.controller ? 'controller' : '']
  const base = { nodeId: config.nodeId, roles: roles.filter(role => role !== '').join(',') }
  const logger = openLogger({ level: config.logLevel, base })
  const die = failStop(logger)
  const host = await open(config, logger, die).catch((error: unknown) => die(error))
  await untilStopped(host, logger)
}

function readConfigFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`cannot read the configuration file ${path}: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** Last words, then the end. What is not handled anywhere is not known to be harmless. */
function failStop(logger: Logger): (error: unknown) => never {
  const die = (error: unknown): never => {
    logger.logEvent('fatal', 'node stops at once', { err: error })
    logger.flush()
    process.exit(1)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  return die
}

async function open(
  config: ServerConfig,
  logger: Logger,
  die: (error: unknown) => never,
): Promise<NodeHost> {
  const startMs = performance.now()
  const { logEvent } = logger
  for (const { level, phrase, fields } of config.notices) logEvent(level, phrase, fields)
  // The largest parts of a start are loading gRPC and the database: both at once, and before they are asked for.
  const [
    { NodeHost: Host },
    { openDiskStorage },
    { systemClock },
    { systemRandom },
    { claimDirectory, storedClusterId },
    { letHeapGrow, releaseMemoryWhenQuiet },
  ] = await Promise.all([
    import('./node-host.ts'),
    import('./node-storage.ts'),
    import('./ports/clock.ts'),
    import('./ports/random.ts'),
    import('./config/data-directory.ts'),
    import('./heap-memory.ts'),
    import('@grpc/grpc-js'),
    import('level'),
  ])
  const random = systemRandom()
  requireClusterId(config, storedClusterId(config.dataDirectory))
  const { clusterId } = claimDirectory(config.dataDirectory, config, random)
  const faults = config.testFaults ? await openFaults(logger, die, random) : null
  const host = await Host.open({
    config,
    clusterId,
    clock: systemClock,
    random,
    logEvent,
    openStorage: async () => {
      const storage = await openDiskStorage({
        dataDirectory: config.dataDirectory,
        metadataDirectory: config.metadataDirectory,
        clusterId,
        nodeId: config.nodeId,
        random,
        onFailure: die,
      })
      return faults?.wrap(storage) ?? storage
    },
    onFatal: die,
  })
  const node = host.start(config.voters)
  if (config.httpListener !== null) {
    const { serveHttp } = await import('./http.ts')
    const strike = faults === null ? null : faults.answer.bind(faults)
    const { port } = await serveHttp(config.httpListener, () => host.node, strike)
    logEvent('info', 'http served', { host: config.httpListener.host, port })
  }
  letHeapGrow()
  releaseMemoryWhenQuiet(random)
  logEvent('info', 'node started', {
    clusterId,
    endpoints: host.endpoints.map(
      ({ listener, host: name, port }) => `${listener}://${name}:${port}`,
    ),
    nodePort: host.boundPorts.nodes,
    dataDirectory: config.dataDirectory,
    elapsedMs: Math.round(performance.now() - startMs),
    metadataOffset: node.image.endOffset,
  })
  if (config.initialTopics.length > 0) void createInitialTopics(config, node, logEvent)
  return host
}

/** A node that joins cannot make one up, and whoever it joins would refuse it. */
function requireClusterId(
  { bootstrapServers, clusterId }: ServerConfig,
  stored: string | null,
): void {
  if (bootstrapServers.length === 0 || clusterId !== null || stored !== null) return
  throw new ClusterError(
    'BAD_CONFIG',
    'cluster.id is missing: a node that joins a cluster needs its id; `trimaran quorum status` tells it, set it as CLUSTER_ID or cluster.id',
  )
}

/** Of a node under test (`test.faults`). */
async function openFaults(
  logger: Logger,
  onFailure: (error: ClusterError) => void,
  random: Random,
): Promise<FaultSwitches> {
  const { FaultSwitches: Switches } = await import('./faults/switches.ts')
  const { logEvent } = logger
  logEvent('warn', 'test.faults is set: whoever is on this machine can make this node lose data')
  const die = (): void => {
    logger.flush()
    process.kill(process.pid, 'SIGKILL')
    // The first process of a container does not hear that from itself.
    process.exit(137)
  }
  return new Switches({ random, logEvent, onFailure, die })
}

/** Waits for as many brokers as the topics want replicas, as the image's script does; then each is tried once. */
async function createInitialTopics(
  { initialTopics }: ServerConfig,
  node: ClusterNode,
  logEvent: LogEvent,
): Promise<void> {
  const wanted = Math.max(...initialTopics.map(topic => topic.replicationFactor))
  await node.whenImage(
    image => [...image.brokers.values()].filter(broker => !broker.fenced).length >= wanted,
  )
  const answer = await node.controllerChannel
    .request('createTopics', {
      validateOnly: false,
      topics: initialTopics.map(({ cleanupPolicy, ...topic }) => ({
        ...topic,
        assignments: [],
        configs: cleanupPolicy === '' ? [] : [{ name: 'cleanup.policy', value: cleanupPolicy }],
      })),
    })
    .catch((err: unknown) => logEvent('error', 'initial topics not created', { err }))
  for (const { name, errorCode, errorMessage } of answer?.topics ?? []) {
    if (errorCode === TOPIC_ALREADY_EXISTS) continue
    if (errorCode === 0) logEvent('info', 'initial topic created', { topic: name })
    else logEvent('error', 'initial topic not created', { topic: name, errorCode, errorMessage })
  }
}

const TOPIC_ALREADY_EXISTS = 36

function untilStopped(host: NodeHost, logger: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    let asked = false
    const stop = (signal: NodeJS.Signals): void => {
      if (asked) {
        logger.logEvent('warn', 'second signal, node stops at once', { signal })
        logger.flush()
        process.exit(130)
      }
      asked = true
      logger.logEvent('info', 'node is stopping', { signal })
      const deadline = setTimeout(() => {
        logger.logEvent('error', 'stop took too long', { deadlineMs: SHUTDOWN_DEADLINE_MS })
        logger.flush()
        process.exit(1)
      }, SHUTDOWN_DEADLINE_MS)
      host
        .shutdown()
        .then(() => {
          clearTimeout(deadline)
          logger.logEvent('info', 'node stopped')
          logger.flush()
          resolve()
          // What is left (idle timers, a monitor's connection) is of no consequence any more.
          setImmediate(() => process.exit(0))
        })
        .catch(reject)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}
