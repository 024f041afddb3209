import { setTimeout as sleep } from 'node:timers/promises'
import { apis, errorCodes } from '@trimaran/protocol'
import { outcomeText, parseBootstrap, withClient } from '../client/cluster-client.ts'
import type { ClusterClient } from '../client/cluster-client.ts'
import { CliError, bold, printJson, printLine } from '../output.ts'
import { describedQuorum, type Quorum, type QuorumMember } from './quorum.ts'

/** Voters of the metadata quorum, added and removed one at a time (KIP-853). */

interface VoterOptions {
  readonly bootstrapServer: string
  readonly json?: boolean
  readonly id: number
  readonly directoryId?: string
}

interface AddOptions extends VoterOptions {
  readonly controller?: string
  readonly timeout: number
}

/** What Kafka's files call the quorum's listener. */
const controllerListener = 'CONTROLLER'
const pollEveryMs = 100

export async function add(options: AddOptions): Promise<void> {
  await withClient(options, async client => {
    const { quorum, observer } = await observerToAdd(client, options)
    const [place] =
      options.controller === undefined ? [observer.address] : parseBootstrap(options.controller)
    if (place === undefined || place === null) {
      throw new CliError(
        `The quorum does not know where node ${options.id} is; say it with --controller host:port (the node's controller listener).`,
      )
    }
    const answer = await client.request(
      apis.addRaftVoter,
      {
        clusterId: null,
        timeoutMs: options.timeout,
        voterId: options.id,
        voterDirectoryId: observer.directoryId,
        listeners: [{ name: controllerListener, ...place }],
        ackWhenCommitted: true,
      },
      options.timeout,
    )
    if (answer.errorCode !== errorCodes.NONE)
      throw new CliError(outcomeText(answer.errorCode, answer.errorMessage))
    const voters = [...quorum.voters.map(({ id }) => id), options.id].toSorted((a, b) => a - b)
    tell(options, observer.directoryId, voters, `Node ${options.id} is a voter now`)
  })
}

/** A node that has just been started needs a moment. */
async function observerToAdd(
  client: ClusterClient,
  { id, directoryId, timeout }: AddOptions,
): Promise<{ readonly quorum: Quorum; readonly observer: QuorumMember }> {
  const deadlineMs = performance.now() + timeout
  for (;;) {
    const quorum = await describedQuorum(client)
    const isMeant = (each: QuorumMember): boolean =>
      each.id === id && (directoryId === undefined || each.directoryId === directoryId)
    const voter = quorum.voters.find(each => each.id === id)
    if (voter !== undefined) {
      throw new CliError(
        `Node ${id} is a voter already (directory ${voter.directoryId}). Another directory of it can be added once this one is removed.`,
      )
    }
    const observer = quorum.observers.find(isMeant)
    if (observer !== undefined && observer.logEndOffset >= quorum.highWatermark) {
      return { quorum, observer }
    }
    if (performance.now() > deadlineMs) throw new CliError(whyNot(quorum, id, directoryId))
    await sleep(pollEveryMs)
  }
}

function whyNot(quorum: Quorum, id: number, directoryId: string | undefined): string {
  const observer = quorum.observers.find(each => each.id === id)
  if (observer === undefined) {
    return `Node ${id} does not fetch the metadata log. Start it with the role controller and controller.quorum.bootstrap.servers, and look into its log if it runs.`
  }
  if (directoryId !== undefined && observer.directoryId !== directoryId) {
    return `Node ${id} runs with directory ${observer.directoryId}, not ${directoryId}.`
  }
  return `Node ${id} has not caught up with the metadata log: it is at ${observer.logEndOffset}, the high watermark at ${quorum.highWatermark}.`
}

export async function remove(options: VoterOptions): Promise<void> {
  await withClient(options, async client => {
    const quorum = await describedQuorum(client)
    const voter = quorum.voters.find(({ id }) => id === options.id)
    const directoryId = options.directoryId ?? voter?.directoryId
    if (directoryId === undefined) {
      const ids = quorum.voters.map(({ id }) => id).join(', ')
      throw new CliError(`Node ${options.id} is no voter; the voters are ${ids}.`)
    }
    const answer = await client.request(apis.removeRaftVoter, {
      clusterId: null,
      voterId: options.id,
      voterDirectoryId: directoryId,
    })
    if (answer.errorCode !== errorCodes.NONE)
      throw new CliError(outcomeText(answer.errorCode, answer.errorMessage))
    const voters = quorum.voters.map(({ id }) => id).filter(id => id !== options.id)
    tell(options, directoryId, voters, `Node ${options.id} is no voter any more`)
  })
}

function tell(
  { id, json }: VoterOptions,
  directoryId: string,
  voters: readonly number[],
  what: string,
): void {
  if (json === true) printJson({ id, directoryId, voters })
  else printLine(`${bold(what)}; the voters are ${voters.join(', ')}.`)
}
