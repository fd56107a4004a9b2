import { columns, median } from '../turns.ts'
import { type Name, names } from './peers.ts'

export type Unit = 'µs' | 'ms' | '/s' | 'MB/s' | 'MB' | 'KB' | 'x'

/** How Davit's figure ought to be: `most` or `least` times another's, or for itself when no other is named. */
export type Target = {
  readonly beside?: Exclude<Name, 'Davit'>
} & ({ readonly most: number } | { readonly least: number })

/** One row: what was measured, with one value of each turn. */
export interface Line {
  readonly what: string
  readonly figure: string
  readonly unit: Unit
  readonly values: Readonly<Partial<Record<Name, readonly number[]>>>
  readonly targets?: readonly Target[]
}

/** Medians; beside nginx and Caddy the ratio of the medians, Davit's over theirs; and what it ought to be. */
export function proxyTable(lines: readonly Line[]): string {
  const rows = lines.map((line, at) => [
    lines[at - 1]?.what === line.what ? '' : line.what,
    line.figure,
    ...names.map(name => figureOf(line, name)),
    ratioText(line, 'nginx'),
    ratioText(line, 'Caddy'),
    (line.targets ?? []).map(target => targetText(target, line.unit)).join(', '),
    (line.targets ?? []).map(target => verdict(line, target)).join(', '),
  ])
  return columns([['', '', ...names, '/ nginx', '/ Caddy', 'target', ''], ...rows])
}

/** Davit's median over another's, or for itself; undefined while one of them has none. */
export function ratioOf({ values }: Line, beside: Name | undefined): number | undefined {
  const [own, other] = [values.Davit, beside === undefined ? [1] : values[beside]]
  if (!own?.length || !other?.length) return undefined
  return median(own) / median(other)
}

function verdict(line: Line, target: Target): string {
  const ratio = ratioOf(line, target.beside)
  if (ratio === undefined) return 'not yet'
  const met = 'most' in target ? ratio <= target.most : ratio >= target.least
  return met ? 'met' : 'missed'
}

function targetText(target: Target, unit: Unit): string {
  const [words, value] = 'most' in target ? ['at most', target.most] : ['at least', target.least]
  if (target.beside === undefined) return `${words} ${format(value, unit)}`
  return `${words} ${Number(value.toFixed(2))}x ${target.beside}`
}

/** What has to hold for itself is not compared. */
function ratioText(line: Line, beside: Name): string {
  if (line.targets?.some(target => target.beside === undefined)) return ''
  const ratio = ratioOf(line, beside)
  return ratio === undefined ? '' : ratio.toFixed(2)
}

function figureOf({ values, unit }: Line, name: Name): string {
  const own = values[name]
  if (own?.length) return format(median(own), unit)
  return name === 'Davit' ? 'not yet' : '–'
}

export function format(value: number, unit: Unit): string {
  if (unit === '/s') return `${Math.round(value).toLocaleString('en')} /s`
  if (unit === 'µs' && value >= 10_000) return format(value / 1000, 'ms')
  if (unit === 'x') return value.toFixed(3)
  const places = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(places)} ${unit}`
}
