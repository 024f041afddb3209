import { uuidFromBytes } from '@trimaran/common'
import type { NodeStatus } from '@trimaran/server'
import { CliError } from '../output.ts'
import { fetchStatus } from './node-status.ts'
import { lastLogLines, portTaken, spawnNode, stopNodes, writeNodeConfig } from './processes.ts'
import {
  httpPortOffset,
  logFile,
  nodePortOffset,
  readPid,
  writeState,
  type LocalCluster,
  type LocalNode,
} from './state.ts'

/** From the first spawn to a cluster that takes writes. */
const readyTimeoutMs = 30_000
const readyPauseMs = 25

export function newCluster(nodes: number, port: number): LocalCluster {
  return {
    clusterId: uuidFromBytes(crypto.getRandomValues(new Uint8Array(16))),
    nodes: Array.from({ length: nodes }, (_, at) => ({
      id: at + 1,
      port: port + at,
      nodePort: port + nodePortOffset + at,
      httpPort: port + httpPortOffset + at,
    })),
  }
}

/** Writes down the cluster and starts these of its nodes; resolves when all of it takes writes. */
export async function startNodes(
  directory: string,
  state: LocalCluster,
  nodes: readonly LocalNode[],
  overridesOf: (node: LocalNode) => ReadonlyMap<string, string>,
): Promise<void> {
  await Promise.all(nodes.map(requirePorts))
  writeState(directory, state)
  for (const node of nodes) {
    writeNodeConfig(directory, state, node, overridesOf(node))
    spawnNode(directory, state, node.id)
  }
  await waitUntilReady(directory, state)
}

/** A node more, on the ports after those of the others; resolves when it serves. */
export async function joinNode(
  directory: string,
  state: LocalCluster,
  overrides: ReadonlyMap<string, string>,
): Promise<LocalNode> {
  const last = state.nodes.reduce((a, b) => (a.id > b.id ? a : b))
  const node: LocalNode = {
    id: last.id + 1,
    port: last.port + 1,
    nodePort: last.nodePort + 1,
    httpPort: last.httpPort + 1,
    joined: true,
  }
  await requirePorts(node)
  const grown = { ...state, nodes: [...state.nodes, node] }
  writeState(directory, grown)
  writeNodeConfig(directory, grown, node, overrides)
  spawnNode(directory, grown, node.id)
  await waitUntilReady(directory, { ...grown, nodes: [node] })
  return node
}

async function requirePorts(node: LocalNode): Promise<void> {
  for (const port of [node.port, node.nodePort, node.httpPort]) {
    const taken = await portTaken(port)
    if (taken !== null) {
      throw new CliError(
        `Port ${port} for node ${node.id} cannot be used (${taken}). Choose others with --port, or stop what holds it.`,
      )
    }
  }
}

/** Ready: every node that runs is unfenced and knows the controller. */
export async function waitUntilReady(directory: string, state: LocalCluster): Promise<void> {
  const deadlineMs = performance.now() + readyTimeoutMs
  // One after the other, and not too often: who asks takes processor time from those that start.
  for (const node of state.nodes) {
    while (!isReady(await fetchStatus(node))) {
      await failIfDead(directory, state)
      if (performance.now() > deadlineMs) {
        throw new CliError(
          `The cluster did not become ready in ${readyTimeoutMs / 1000} s; see ${logFile(directory, node.id)}.`,
        )
      }
      await new Promise(resolve => setTimeout(resolve, readyPauseMs))
    }
  }
}

const isReady = (status: NodeStatus | null): boolean =>
  status !== null && status.controllerId >= 0 && status.broker?.state === 'RUNNING'

async function failIfDead(directory: string, state: LocalCluster): Promise<void> {
  const dead = state.nodes.find(node => readPid(directory, node.id) === null)
  if (dead === undefined) return
  const said = lastLogLines(directory, dead.id, 8)
  await stopNodes(
    directory,
    state.nodes.map(node => node.id),
  )
  throw new CliError(
    `Node ${dead.id} did not start. The end of ${logFile(directory, dead.id)}:\n${said}`,
  )
}
