import type { Argument } from '../plugin/args.ts'
import type { Command } from '../plugin/command.ts'

/** `domains:add APP DOMAIN...`; flags stand in front where everything that follows belongs to somebody else. */
export function usageLine(command: Command): string {
  const args = Object.values(command.args ?? {})
  const flagsFirst = args.some(each => each.place === 'words')
  const shown = flagsFirst ? args.toSorted((a, b) => Number(isFlag(b)) - Number(isFlag(a))) : args
  return [command.name, ...shown.map(usageOf)].join(' ')
}

function isFlag({ place }: Argument<unknown>): boolean {
  return place === 'flag' || place === 'option'
}

function usageOf(argument: Argument<unknown>): string {
  const { place, label, short } = argument
  const names = short ? `-${short}|--${label}` : `--${label}`
  switch (place) {
    case 'one':
    case 'scope':
      return label
    case 'optional':
      return `[${label}]`
    case 'many':
    case 'words':
      return `${label}...`
    case 'any':
      return `[${label}...]`
    case 'flag':
      return `[${names}]`
    case 'option':
      return `[${names} VALUE]`
    case 'key':
      return `[--${label}]`
  }
}

/** What each topic is for; plugins' topics stand under their plugin's own sentence. */
export type Abouts = ReadonlyMap<string, string>

/** `TOPIC:help`: what it manages, then its commands with what they do. Undefined when there is no such topic. */
export function topicHelp(topic: string, commands: readonly Command[], abouts: Abouts): string | undefined {
  const own = commands.filter(each => topicOf(each.name) === topic && !each.hidden)
  if (own.length === 0) return undefined
  const rows = own.map(each => [usageLine(each), each.about] as const)
  return [
    `Usage: ${topic}[:COMMAND]`,
    '',
    abouts.get(topic) ?? `Manage ${topic}`,
    '',
    'Commands:',
    ...table(rows),
  ].join('\n')
}

/** `COMMAND --help`: its usage, what it does, and what each word and flag means. */
export function commandHelp(command: Command): string {
  const rows = Object.values(command.args ?? {})
    .filter(each => each.about)
    .map(each => [usageOf(each), each.about] as const)
  const list = rows.length > 0 ? ['', ...table(rows)] : []
  const more = command.more?.length ? ['', ...table(command.more)] : []
  const force = command.confirm ? ['', 'Asks for the name to be typed back; --force skips that.'] : []
  return [`Usage: ${usageLine(command)}`, '', `${command.about}.`, ...list, ...more, ...force].join('\n')
}

/** `help`: every topic with its sentence; `--all`: every command. */
export function overview(commands: readonly Command[], abouts: Abouts, { all }: { all: boolean }): string {
  const shown = commands.filter(each => !each.hidden)
  const topics = [...new Set(shown.map(each => topicOf(each.name)))].sort()
  const rows = all
    ? shown.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(each => [usageLine(each), each.about] as const)
    : topics.map(
        topic =>
          [topic, abouts.get(topic) ?? shown.find(each => topicOf(each.name) === topic)!.about] as const,
      )
  const way = all
    ? 'More about one: COMMAND --help'
    : 'More about a topic: TOPIC:help. Every command: help --all'
  return [
    'Usage: ssh HOST COMMAND [ARGUMENTS], or davit COMMAND on the host itself',
    '',
    ...table(rows),
    '',
    way,
  ].join('\n')
}

export function topicOf(name: string): string {
  return name.split(':')[0]!
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(Math.max(...rows.map(([left]) => left.length)), 46)
  return rows.flatMap(([left, right]) =>
    left.length > width
      ? [`    ${left}`, `    ${' '.repeat(width)}  ${right}`]
      : [`    ${left.padEnd(width)}  ${right}`],
  )
}
