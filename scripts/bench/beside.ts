/** The cluster that ours is measured beside: somebody else's, started and stopped by a command of the user's. */
import { spawn } from 'node:child_process'
import type { Address } from './client.ts'
import { factsOf, topicNames, untilHealthy, type Cluster, type ClusterFacts } from './cluster.ts'
import { ageMsOf, pidsOf, processesAt, type Processes } from './processes.ts'
import { warmUp } from './warm-up.ts'

const verbPlace = '{}'
/** Of what a command that fails has said. */
const saidCharactersMax = 2_000

/** The command with the verb where `{}` stands, or at its end. */
export const withVerb = (command: string, verb: string): string =>
  command.includes(verbPlace) ? command.replaceAll(verbPlace, verb) : `${command} ${verb}`

export class BesideCluster implements Cluster {
  readonly label = ' beside'
  readonly addresses: readonly Address[]
  readonly #control: string | null
  #whyHidden: string | null = null
  #isWarm = false
  /** True from the first start on: what is there is ours to wipe. */
  #isOwned = false

  constructor(addresses: readonly Address[], control: string | null) {
    this.addresses = addresses
    this.#control = control
  }

  /** It can be started, stopped and wiped; otherwise it just runs. */
  get isControlled(): boolean {
    return this.#control !== null
  }

  /** Why memory and processor time of its nodes are not known; null: they are. */
  get whyHidden(): string | null {
    return this.#whyHidden
  }

  /** What it is. Starts it to ask, and refuses one that holds something. */
  async describe(): Promise<ClusterFacts> {
    if (this.isControlled) await this.#run('up')
    await untilHealthy(this.addresses)
    const facts = await factsOf(this.addresses)
    if (facts.brokerCount !== this.addresses.length)
      throw new Error(
        `the cluster beside has ${facts.brokerCount} brokers: name every one in --beside HOST:PORT,…`,
      )
    const held = this.isControlled ? await topicNames(this.addresses) : []
    if (held.length > 0)
      throw new Error(
        `the cluster beside holds topics (${held.slice(0, 3).join(', ')}${held.length > 3 ? ', …' : ''}), and the bench wipes it: empty it first (down --wipe), or leave --beside-control out`,
      )
    this.#isOwned = this.isControlled
    const processes = await this.processes()
    this.#whyHidden = 'why' in processes ? processes.why : null
    return facts
  }

  get isLasting(): boolean {
    return !this.isControlled
  }

  async launch(): Promise<void> {
    if (!this.isControlled) return
    await this.stop()
    await this.#run('up')
  }

  /** Runs and has run for a while, as a JVM needs it before its speed says anything. */
  async ensureWarm(): Promise<void> {
    if (this.isControlled && !this.#isWarm) await this.launch()
    await untilHealthy(this.addresses)
    if (!this.#isWarm) await warmUp(this.addresses)
    this.#isWarm = true
  }

  async ageMs(): Promise<number | null> {
    const pids = pidsOf(await this.processes())
    return pids === null ? null : Math.max(...pids.map(ageMsOf))
  }

  processes(): Promise<Processes> {
    return processesAt(this.addresses)
  }

  kill(nodeId: number): Promise<void> {
    return this.#run(`kill ${nodeId}`)
  }

  restart(nodeId: number): Promise<void> {
    return this.#run(`start ${nodeId}`)
  }

  /** Leaves alone what the bench has not started. */
  async stop(): Promise<void> {
    this.#isWarm = false
    if (this.#isOwned) await this.#run('down --wipe')
  }

  /** In a session of its own, as Ctrl-C in the terminal is the bench's to answer. */
  #run(verb: string): Promise<void> {
    const control = this.#control
    if (control === null) throw new Error(`${verb} needs --beside-control`)
    const command = withVerb(control, verb)
    return new Promise((settle, fail) => {
      // Not a pipe: the nodes that it starts may keep its output open.
      const child = spawn(command, {
        shell: true,
        detached: true,
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let said = ''
      child.stderr.on('data', (text: Buffer) => {
        said = (said + text.toString()).slice(-saidCharactersMax)
      })
      child.once('error', fail)
      child.once('exit', code => {
        child.stderr.destroy()
        if (code === 0) settle()
        else fail(new Error(`\`${command}\` ended with ${String(code)}: ${said.trim()}`))
      })
    })
  }
}
