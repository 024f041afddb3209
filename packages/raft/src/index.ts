export * from './messages.ts'
export * from './ports.ts'
