import { readdirSync, readFileSync } from 'node:fs'
import { runScript } from '@trimaran/common/testing'
import type { Directive } from '@trimaran/common/testing'
import { expect, test } from 'vitest'
import { encode, Lab } from './lab.ts'

const directory = `${import.meta.dirname}/../testdata`

test.each(readdirSync(directory))('%s tells what happens', async file => {
  const path = `${directory}/${file}`
  const handle = interpreter()
  await expect(runScript(readFileSync(path, 'utf8'), handle)).toMatchFileSnapshot(path)
})

const numbers = (text: string | undefined): readonly number[] =>
  text === undefined || text === '' ? [] : text.split(',').map(Number)

/** One bench per script; each command prints what was delivered and told since the last. */
function interpreter(): (directive: Directive) => string {
  let lab = new Lab({ voters: [] })
  return ({ command, args }) => {
    const at = lab.trace.length
    const node = Number(args.get('node'))
    switch (command) {
      case 'cluster':
        lab = new Lab({
          voters: numbers(args.get('voters')),
          observers: numbers(args.get('observers')),
        })
        return ''
      case 'run':
        lab.run(Number(args.get('ms')))
        break
      case 'propose':
        lab.propose(node, ...(args.get('text') ?? '').split(','))
        lab.settle()
        break
      case 'isolate': {
        const alone = new Set(numbers(args.get('nodes')))
        lab.passes = ({ from, to }) => alone.has(from) === alone.has(to)
        break
      }
      case 'heal':
        lab.passes = () => true
        break
      case 'crash':
        lab.crash(node)
        break
      case 'restart':
        lab.restart(node)
        lab.settle()
        break
      case 'gone':
        for (const each of numbers(args.get('at'))) {
          lab.step(each, { kind: 'peerGone', nodeId: node })
        }
        lab.settle()
        break
      case 'reachable':
        for (const each of numbers(args.get('at'))) {
          lab.step(each, { kind: 'peerReachable', nodeId: node })
        }
        lab.settle()
        break
      case 'snapshot': {
        const endOffset = lab.state(node).highWatermark
        lab.step(node, { kind: 'saveSnapshot', state: encode('state'), endOffset })
        lab.settle()
        break
      }
      case 'resign':
        lab.step(node, { kind: 'resign' })
        lab.settle()
        break
      case 'status':
        return lab.status()
      default:
        throw new Error(`unknown command ${command}`)
    }
    const lines = lab.trace.slice(at)
    return (args.has('quiet') ? lines.filter(line => !line.includes('>')) : lines).join('\n')
  }
}
