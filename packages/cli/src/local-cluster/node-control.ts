import { CliError } from '../output.ts'
import type { LocalNode } from './state.ts'

const { request } = process.getBuiltinModule('node:http')
const answerTimeoutMs = 5000

/** Asks a node for something that changes it; see `test.faults` of the server. */
export function postToNode(node: LocalNode, path: string): Promise<void> {
  return new Promise((settle, fail) => {
    const where = `Node ${node.id}, POST ${path}`
    const posting = request(
      {
        ...{ host: '127.0.0.1', port: node.httpPort, path, method: 'POST' },
        timeout: answerTimeoutMs,
      },
      response => {
        response.resume()
        if (response.statusCode === 200) settle()
        else fail(new CliError(`${where}: answered ${response.statusCode}.`))
      },
    )
    posting.on('timeout', () => posting.destroy(new Error('no answer')))
    posting.on('error', error => fail(new CliError(`${where}: ${error.message}.`)))
    posting.end()
  })
}
