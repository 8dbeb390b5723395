/** Every way in which routes become live; see Driver. */
export const driverNames = ['jwt', 'config', 'leaf', 'controlplane'] as const

export type DriverName = (typeof driverNames)[number]
