export * from './controller-requests.ts'
export * from './image-types.ts'
export * from './records.ts'
