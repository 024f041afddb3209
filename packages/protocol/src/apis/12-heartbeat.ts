import { api, int16, int32, nullable, since, string } from '../schema.ts'

export const heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  versions: '0-4',
  flexible: '4+',
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: since('3+', nullable(string)),
  },
  response: {
    throttleTimeMs: since('1+', int32),
    errorCode: int16,
  },
})
