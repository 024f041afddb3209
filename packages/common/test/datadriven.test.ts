import { expect, test } from 'vitest'
import { runScript } from '../src/testing/datadriven.ts'

test('a script is rewritten with what its commands print, comments and input kept', () => {
  const script = [
    '# Adds.',
    'sum of=3,4 loudly',
    'first line',
    'second line',
    '----',
    'an old result',
    '',
    '# Nothing but a remark.',
    '',
    'silence',
  ].join('\n')
  const seen: unknown[] = []
  const result = runScript(script, ({ command, args, input }) => {
    seen.push([command, Object.fromEntries(args), input])
    return command === 'sum' ? '7\n' : ''
  })
  expect(seen).toEqual([
    ['sum', { of: '3,4', loudly: '' }, 'first line\nsecond line'],
    ['silence', {}, ''],
  ])
  expect(result).toBe(
    [
      '# Adds.',
      'sum of=3,4 loudly',
      'first line',
      'second line',
      '----',
      '7',
      '',
      '# Nothing but a remark.',
      '',
      'silence',
      '----',
      'ok',
      '',
    ].join('\n'),
  )
  expect(runScript(result, ({ command }) => (command === 'sum' ? '7' : ''))).toBe(result)
})
