export type { ControllerBug, ControllerConfig } from './cluster.ts'
export { Controller, type MetadataLog } from './controller.ts'
export type { ControllerMetrics } from './metrics.ts'
export { type Election, type ElectionRules, electLeader } from './partition-state-machine.ts'
