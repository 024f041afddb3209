export { type DiskCheck, diskSuite } from './disk-suite.ts'
export { SimClock } from './sim-clock.ts'
export {
  type CrashMode,
  crashModes,
  type DiskOperation,
  SimDisk,
  type SimDiskOptions,
} from './sim-disk.ts'
export { unwritten } from './unwritten.ts'
