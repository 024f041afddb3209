import { api, array, int16, int32, nullable, since, string, struct } from '../schema.ts'

export const leaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string,
    memberId: since('0-2', string),
    members: since(
      '3+',
      array(
        struct({
          memberId: string,
          groupInstanceId: nullable(string),
          reason: since('5+', nullable(string)),
        }),
      ),
    ),
  },
  response: {
    throttleTimeMs: since('1+', int32),
    errorCode: int16,
    members: since(
      '3+',
      array(
        struct({
          memberId: string,
          groupInstanceId: nullable(string),
          errorCode: int16,
        }),
      ),
    ),
  },
})
