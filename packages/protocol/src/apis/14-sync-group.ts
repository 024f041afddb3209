import { api, array, bytes, int16, int32, nullable, since, string, struct } from '../schema.ts'

export const syncGroup = api({
  key: 14,
  name: 'SyncGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: since('3+', nullable(string)),
    protocolType: since('5+', nullable(string)),
    protocolName: since('5+', nullable(string)),
    assignments: array(
      struct({
        memberId: string,
        assignment: bytes,
      }),
    ),
  },
  response: {
    throttleTimeMs: since('1+', int32),
    errorCode: int16,
    protocolType: since('5+', nullable(string)),
    protocolName: since('5+', nullable(string)),
    assignment: bytes,
  },
})
