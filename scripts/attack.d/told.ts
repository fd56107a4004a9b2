import type { Words } from './attack.ts'

/** As many as a person reads, and how many more there are. */
export function tellSome(findings: readonly string[], say: Words['say']): void {
  for (const each of findings.slice(0, 60)) say(each)
  if (findings.length > 60) say(`… and ${findings.length - 60} more`)
}

export function tellCounts(counts: Readonly<Record<string, number>>, say: Words['say']): void {
  for (const [name, value] of Object.entries(counts)) say(`${String(value).padStart(8)} ${name}`)
}
