import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** As the kernel numbers them. */
const states = [
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
]

export interface AcceptedSocket {
  readonly localPort: number
  readonly remotePort: number
  readonly state: string
  readonly unsentBytes: number
  readonly unreadBytes: number
}

/** What a process has accepted at these ports, and holds. Its own way to others is not among it. */
export function acceptedSockets(pid: number, ports: readonly number[]): AcceptedSocket[] {
  const known = tcpSockets(pid)
  const directory = `/proc/${pid}/fd`
  return readdirSync(directory).flatMap(name => {
    const socket = known.get(inodeOf(join(directory, name)))
    return socket !== undefined && ports.includes(socket.localPort) ? [socket] : []
  })
}

/** Empty: it is no socket, or is closed by now. */
function inodeOf(path: string): string {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1] ?? ''
  } catch {
    return ''
  }
}

/** By inode. */
function tcpSockets(pid: number): Map<string, AcceptedSocket> {
  const lines = ['tcp', 'tcp6']
    .map(name => `/proc/${pid}/net/${name}`)
    .filter(path => existsSync(path))
    .flatMap(path => readFileSync(path, 'utf8').trim().split('\n').slice(1))
  return new Map(
    lines.map(line => {
      const fields = line.trim().split(/\s+/)
      const [, local = '', remote = '', state = '', queues = ''] = fields
      const [unsentBytes = 0, unreadBytes = 0] = queues.split(':').map(hex)
      const name = states[hex(state) - 1] ?? state
      const ports = { localPort: portOf(local), remotePort: portOf(remote) }
      return [fields[9] ?? '', { ...ports, state: name, unsentBytes, unreadBytes }]
    }),
  )
}

const hex = (text: string): number => Number.parseInt(text, 16)
const portOf = (address: string): number => hex(address.split(':')[1] ?? '')
