export * from './driver.ts'
export * from './messages.ts'
export * from './ports.ts'
export { decodeVoters, encodeVoters } from './voters.ts'
