import { api, array, int16, int32, int8, nullable, since, string, struct } from '../schema.ts'

export const findCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: '0-6',
  flexible: '3+',
  request: {
    key: since('0-3', string),
    keyType: since('1+', int8),
    coordinatorKeys: since('4+', array(string)),
  },
  response: {
    throttleTimeMs: since('1+', int32),
    errorCode: since('0-3', int16),
    errorMessage: since('1-3', nullable(string)),
    nodeId: since('0-3', int32),
    host: since('0-3', string),
    port: since('0-3', int32),
    coordinators: since(
      '4+',
      array(
        struct({
          key: string,
          nodeId: int32,
          host: string,
          port: int32,
          errorCode: int16,
          errorMessage: nullable(string),
        }),
      ),
    ),
  },
})
