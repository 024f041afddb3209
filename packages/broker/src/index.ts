export * from './channels.ts'
export * from './replication/types.ts'
