import { installed, runOk, Running } from './run.ts'
import type { Outcome } from './run.ts'

/** librdkafka's own client, version 1.7 and up. */
export const kcatIsThere = installed('kcat', ['-V'], 'apt-get install kcat brings it')

export interface Line {
  readonly partition: number
  readonly offset: number
  readonly text: string
}

/** Sends `input` line by line with acks=all; kcat ends with 1 if a single one was not acknowledged. */
export function kcatProduce(
  brokers: string,
  topic: string,
  input: string | Buffer,
  ...options: readonly string[]
): Promise<Outcome> {
  return runOk('kcat', ['-P', '-b', brokers, '-t', topic, '-X', 'acks=all', ...options], { input })
}

/** A producer that is fed bit by bit. */
export const kcatProducer = (
  brokers: string,
  topic: string,
  ...options: readonly string[]
): Running => new Running('kcat', ['-P', '-b', brokers, '-t', topic, '-X', 'acks=all', ...options])

/** Reads all partitions from their beginning to their end. */
export async function kcatConsume(
  brokers: string,
  topic: string,
  ...options: readonly string[]
): Promise<Line[]> {
  const format = ['-f', '%p %o %s\n']
  const { stdout } = await runOk(
    'kcat',
    ['-C', '-b', brokers, '-t', topic, '-o', 'beginning', '-e', '-q', ...format, ...options],
    { timeoutMs: 120_000 },
  )
  return parseLines(stdout)
}

export function parseLines(stdout: string): Line[] {
  if (stdout === '') return []
  return stdout
    .trimEnd()
    .split('\n')
    .map(line => {
      const [partition = '', offset = '', ...text] = line.split(' ')
      return { partition: Number(partition), offset: Number(offset), text: text.join(' ') }
    })
}

/** Whatever is asked with `-L` or `-Q`, as kcat's JSON. */
export async function kcatJson(...args: readonly string[]): Promise<unknown> {
  const { stdout } = await runOk('kcat', [...args, '-J'])
  return JSON.parse(stdout) as unknown
}
