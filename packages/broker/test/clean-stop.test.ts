import { Prng } from '@trimaran/common'
import { defaultLogConfig, LogDirectory } from '@trimaran/log'
import { SimClock, SimDisk } from '@trimaran/log/testing'
import { expect, test } from 'vitest'
import { Broker, brokerConfig } from '../src/index.ts'
import type { ControllerChannel } from '../src/index.ts'

const disk = new SimDisk({ random: new Prng(1) })
const clock = new SimClock()

const open = (): LogDirectory =>
  LogDirectory.open({
    disk,
    directory: 'logs',
    clock,
    logEvent: () => {},
    configFor: () => defaultLogConfig,
  })

const brokerOn = (logs: LogDirectory, controller: ControllerChannel): Broker =>
  new Broker({
    nodeId: 1,
    clusterId: 'cluster-of-the-test',
    config: brokerConfig(new Map([['log.dirs', '/data']]), {
      endpoints: [],
      nodeHost: 'host',
      nodePort: 9093,
      directoryId: 'directoryAAAAAAAAAAAAA',
    }),
    ports: { clock, random: new Prng(2), logEvent: () => {} },
    logs,
    controller,
    peers: { fetch: () => new Promise(() => {}) },
    onFatal: () => {},
  })

test('a stop before the registration leaves the clean stop before it valid', async () => {
  const first = open()
  const registered = brokerOn(first, {
    request: (() =>
      Promise.resolve({
        errorCode: 0,
        errorMessage: null,
        brokerEpoch: 7,
      })) as unknown as ControllerChannel['request'],
  })
  registered.start()
  await new Promise(resolve => setImmediate(resolve))
  expect(registered.cleanStopEpoch).toBe(7)
  await registered.stop()
  await first.close({ brokerEpoch: registered.cleanStopEpoch })

  // No controller is there to register with; it led and followed nothing, so its logs are as they were.
  const second = open()
  const unregistered = brokerOn(second, { request: () => new Promise(() => {}) })
  unregistered.start()
  expect(unregistered.brokerEpoch).toBe(-1)
  await unregistered.stop()
  await second.close({ brokerEpoch: unregistered.cleanStopEpoch })

  expect(open().previousBrokerEpoch).toBe(7)
})
