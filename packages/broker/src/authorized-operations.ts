/** Operations of KIP-430 by their code; an answer holds one bit for each that is allowed. */
const operation = {
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
} as const

const bits = (operations: readonly number[]): number =>
  operations.reduce((all, code) => all | (1 << code), 0)

/** The client did not ask. */
export const notAsked = -2_147_483_648

/** Without an authorizer everything is allowed, as with Kafka. */
export const clusterOperations: number = bits([
  operation.create,
  operation.alter,
  operation.describe,
  operation.clusterAction,
  operation.describeConfigs,
  operation.alterConfigs,
  operation.idempotentWrite,
])

export const topicOperations: number = bits([
  operation.read,
  operation.write,
  operation.create,
  operation.delete,
  operation.alter,
  operation.describe,
  operation.describeConfigs,
  operation.alterConfigs,
])

export const groupOperations: number = bits([
  operation.read,
  operation.delete,
  operation.describe,
  operation.describeConfigs,
  operation.alterConfigs,
])
