import type { ContainerSpec } from './spec.ts'

/** making: undone when it is cut off · wanted: kept running · changing: gone back on when it is cut off · retired: it only goes from here. */
export type ServiceState = 'making' | 'wanted' | 'changing' | 'stopped' | 'retired'

/** What a plugin runs for apps: one container of its own, with data that stays. Its name is unique within its plugin. */
export interface Service {
  readonly id: number
  readonly plugin: string
  readonly name: string
  /** What apps that are linked find it by: `davit-postgres-db`. */
  readonly host: string
  readonly state: ServiceState
  /** A /26 of its own. */
  readonly subnet: string
  readonly createdAt: Date
}

/** How a service runs. What is not said is as for an app. */
export interface ServiceSpec extends Partial<Omit<ContainerSpec, 'image' | 'mounts' | 'networks'>> {
  readonly image: string
  /** Path in the container to a folder that stays when the container goes. */
  readonly volumes?: Readonly<Record<string, Volume>>
  /** A command in its container that exits with 0 once the service can be used; asked over and over. */
  readonly ready: readonly string[]
  /** How long that may take: 60,000 unless told. */
  readonly readyWithinMs?: number
}

/** A folder of a service. */
export interface Volume {
  /** `data`: it lies in the service's own folder under this name. */
  readonly name: string
  /** UID:GID of who may write to it; root unless told. */
  readonly owner?: string
}
