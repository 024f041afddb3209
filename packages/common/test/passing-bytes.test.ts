import { expect, test } from 'vitest'
import { giveBack, isPassing, passOn } from '../src/index.ts'

test('the last holder of what was passed on frees it, by any view on it, and once', () => {
  const whole = passOn(new Uint8Array(100_000))
  const view = whole.subarray(10, 20)
  expect(isPassing(view)).toBe(true)
  giveBack(view)
  expect([whole.length, view.length, whole.buffer.byteLength]).toEqual([0, 0, 0])
  expect(isPassing(whole)).toBe(false)
  giveBack(whole)
})

test('what others hold parts of stays: bytes that nobody passed on, parts of a pool, small ones', () => {
  const shared = new Uint8Array(100_000)
  const pooled = passOn(new Uint8Array(64 * 1024).subarray(0, 30_000))
  const small = passOn(new Uint8Array(100))
  for (const bytes of [shared, pooled, small]) {
    const { length } = bytes
    expect(isPassing(bytes)).toBe(false)
    giveBack(bytes)
    expect(bytes.length).toBe(length)
  }
})

test('five bytes of framing around a message belong to it', () => {
  const message = passOn(new Uint8Array(50_005).subarray(5))
  giveBack(message)
  expect(message.length).toBe(0)
})
