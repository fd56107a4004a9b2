import type { Ground } from './ground.ts'

export interface Words {
  readonly seed: number
  readonly count?: number
  readonly seconds?: number
  readonly backends?: readonly string[]
  /** After `--`. */
  readonly command: readonly string[]
  readonly ground: Ground
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

export interface Attack {
  readonly name: string
  readonly about: string
  /** Whether nothing was found. */
  readonly run: (words: Words) => Promise<boolean>
}
