import { apis, errorCodes } from '@trimaran/protocol'
import { outcomeText, withClient, type ClusterClient } from '../client/cluster-client.ts'
import { CliError, exitCodes, printJson, printLine, table } from '../output.ts'
import { parseSetting, reportOutcomes } from './topics.ts'

interface CommonOptions {
  readonly bootstrapServer: string
  readonly json?: boolean
}

const topicType = 2
const brokerType = 4
const sources: Readonly<Record<number, string>> = {
  1: 'topic',
  2: 'broker',
  3: 'all brokers',
  4: 'file',
  5: 'default',
}
/** Set by somebody, not a default and not from the node's own file. */
const dynamicSources = new Set([1, 2, 3])

function resourceOf(
  kind: string,
  name: string,
): { readonly resourceType: number; readonly resourceName: string } {
  if (kind === 'topic') return { resourceType: topicType, resourceName: name }
  if (kind === 'broker')
    return { resourceType: brokerType, resourceName: name === 'default' ? '' : name }
  throw new CliError(`"${kind}" has no settings; topics and brokers have.`, exitCodes.usage)
}

/** A broker's own settings are known to that broker alone. */
async function ask(
  client: ClusterClient,
  resource: { resourceType: number; resourceName: string },
) {
  if (resource.resourceType === brokerType && resource.resourceName !== '') {
    if (!/^\d+$/.test(resource.resourceName))
      throw new CliError(
        `A broker is named by its id, not "${resource.resourceName}".`,
        exitCodes.usage,
      )
    return client.broker(Number(resource.resourceName))
  }
  return client.anyBroker()
}

export async function describe(
  kind: string,
  name: string,
  options: CommonOptions & { readonly all?: boolean },
): Promise<void> {
  const resource = resourceOf(kind, name)
  await withClient(options, async client => {
    const connection = await ask(client, resource)
    const answer = await connection.request(apis.describeConfigs, {
      resources: [{ ...resource, configurationKeys: null }],
      includeSynonyms: false,
      includeDocumentation: false,
    })
    const result = answer.results[0]
    if (result === undefined || result.errorCode !== errorCodes.NONE) {
      throw new CliError(
        outcomeText(result?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR, result?.errorMessage),
      )
    }
    const shown = result.configs
      .filter(config => options.all === true || dynamicSources.has(config.configSource))
      .map(config => ({
        name: config.name,
        value: config.isSensitive ? null : config.value,
        source: sources[config.configSource] ?? 'unknown',
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    if (options.json === true) printJson(shown)
    else if (shown.length === 0) printLine('Everything is at its default; --all shows it.')
    else
      printLine(
        table(
          ['SETTING', 'VALUE', 'FROM'],
          shown.map(config => [config.name, config.value ?? '(hidden)', config.source]),
        ),
      )
  })
}

interface AlterOptions extends CommonOptions {
  readonly set: readonly string[]
  readonly delete: readonly string[]
}

export async function alter(kind: string, name: string, options: AlterOptions): Promise<void> {
  const resource = resourceOf(kind, name)
  const configs = [
    ...options.set.map(setting => ({ ...parseSetting('--set', setting), configOperation: 0 })),
    ...options.delete.map(key => ({ name: key, value: null, configOperation: 1 })),
  ]
  if (configs.length === 0)
    throw new CliError('Nothing to change: give --set key=value or --delete key.', exitCodes.usage)
  await withClient(options, async client => {
    const connection = await ask(client, resource)
    const answer = await connection.request(apis.incrementalAlterConfigs, {
      resources: [{ ...resource, configs }],
      validateOnly: false,
    })
    reportOutcomes(
      options.json,
      `Altered ${kind}`,
      answer.responses.map(each => ({ ...each, name })),
    )
  })
}
