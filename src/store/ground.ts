import type { Seal } from '../seal.ts'

/** What every table stands on: its statements, the seal, the time. */
export interface Ground {
  prepare<In extends unknown[], Row = never>(sql: string): Statement<In, Row>
  /** BEGIN IMMEDIATE … COMMIT, or a savepoint when one is open already. */
  transaction<T>(work: () => T): T
  /** Row id of an app; null, which equals nothing in SQL, when there is none. */
  findApp(name: string): number | null
  /** UserError `app-missing`. */
  getApp(name: string): number
  readonly seal: Seal
  readonly now: () => Date
}

export interface Statement<In extends unknown[], Row> {
  run(...values: In): { readonly changes: number }
  get(...values: In): Row | undefined
  all(...values: In): Row[]
  iterate(...values: In): IterableIterator<Row>
}
