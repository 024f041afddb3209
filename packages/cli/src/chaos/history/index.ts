export * from './anomaly.ts'
export * from './checks.ts'
export * from './history.ts'
