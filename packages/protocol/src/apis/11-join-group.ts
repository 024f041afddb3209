import {
  api,
  array,
  boolean,
  bytes,
  int16,
  int32,
  nullable,
  since,
  string,
  struct,
} from '../schema.ts'

export const joinGroup = api({
  key: 11,
  name: 'JoinGroup',
  versions: '0-9',
  flexible: '6+',
  request: {
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: since('1+', int32, -1),
    memberId: string,
    groupInstanceId: since('5+', nullable(string)),
    protocolType: string,
    protocols: array(
      struct({
        name: string,
        metadata: bytes,
      }),
    ),
    reason: since('8+', nullable(string)),
  },
  response: {
    throttleTimeMs: since('2+', int32),
    errorCode: int16,
    generationId: int32,
    protocolType: since('7+', nullable(string)),
    protocolName: nullable(string, '7+'),
    leader: string,
    skipAssignment: since('9+', boolean),
    memberId: string,
    members: array(
      struct({
        memberId: string,
        groupInstanceId: since('5+', nullable(string)),
        metadata: bytes,
      }),
    ),
  },
})
