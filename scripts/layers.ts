/** The tower: a package imports only what stands here, and only from lower layers. */
export const layers: readonly (readonly string[])[] = [
  ['common'],
  ['protocol', 'raft'],
  ['log', 'metadata'],
  ['controller', 'coordinator'],
  ['broker'],
  ['server'],
  ['cli'],
]

export const mayImport: Readonly<Record<string, readonly string[]>> = {
  common: [],
  protocol: ['common'],
  raft: ['common'],
  log: ['common', 'protocol'],
  metadata: ['common', 'protocol'],
  controller: ['common', 'metadata'],
  coordinator: ['common', 'protocol', 'metadata'],
  broker: ['common', 'protocol', 'log', 'metadata', 'coordinator'],
  server: ['common', 'protocol', 'raft', 'log', 'metadata', 'controller', 'coordinator', 'broker'],
  cli: ['common', 'protocol', 'log', 'metadata', 'server'],
}
