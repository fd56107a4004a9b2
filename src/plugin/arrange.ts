import type { Plugin } from './define.ts'

export interface Arranged {
  /** In the order of their needs, then by name. */
  readonly ordered: readonly Plugin[]
  /** By name: why it cannot take part. */
  readonly refused: ReadonlyMap<string, string>
}

/**
 * Which of these plugins can take part together, and in which order. One with a missing need, in a circle of needs, or with a command that
 * Davit or an earlier plugin brings, is refused, naming both sides. Names differ.
 */
export function arrange(plugins: readonly Plugin[], { commands, off }: Surroundings): Arranged {
  const needs = order(plugins, off)
  const { first, clashing } = firstOfEachCommand(needs.ordered, commands)
  const alone = order(first, new Set([...off, ...clashing.keys(), ...needs.refused.keys()]))
  return { ordered: alone.ordered, refused: new Map([...alone.refused, ...clashing, ...needs.refused]) }
}

export interface Surroundings {
  /** Names of the commands that Davit has itself. */
  readonly commands: readonly string[]
  /** Names of plugins that are there and cannot take part, whoever needs them. */
  readonly off: ReadonlySet<string>
}

function order(
  plugins: readonly Plugin[],
  off: ReadonlySet<string>,
): { ordered: Plugin[]; refused: Map<string, string> } {
  const byName = new Map(plugins.map(plugin => [plugin.name, plugin]))
  const ordered: Plugin[] = []
  const refused = new Map<string, string>()
  const visit = (plugin: Plugin, path: readonly string[]): boolean => {
    if (ordered.includes(plugin)) return true
    if (refused.has(plugin.name)) return false
    const refuse = (reason: string) => !refused.set(plugin.name, reason)
    if (path.includes(plugin.name))
      return refuse(`it needs itself: ${[...path, plugin.name].join(' needs ')}`)
    for (const need of [...(plugin.needs ?? [])].sort()) {
      const needed = byName.get(need)
      if (!needed) return refuse(`it needs ${need}, which is ${off.has(need) ? 'off' : 'not there'}`)
      if (!visit(needed, [...path, plugin.name]))
        return refused.has(plugin.name) ? false : refuse(`it needs ${need}, which is off`)
    }
    ordered.push(plugin)
    return true
  }
  for (const plugin of plugins.toSorted((a, b) => (a.name < b.name ? -1 : 1))) visit(plugin, [])
  return { ordered, refused }
}

/** A command that Davit or an earlier plugin brings already: the later plugin is off, and says whose it is. */
function firstOfEachCommand(plugins: readonly Plugin[], own: readonly string[]) {
  const owners = new Map(own.map(name => [name, 'Davit itself']))
  const first: Plugin[] = []
  const clashing = new Map<string, string>()
  for (const plugin of plugins) {
    const names = (plugin.commands ?? []).map(each => each.name)
    const taken = names.find((name, at) => owners.has(name) || names.indexOf(name) !== at)
    if (taken !== undefined) {
      clashing.set(plugin.name, `${owners.get(taken) ?? 'it'} brings ${taken} already`)
      continue
    }
    for (const name of names) owners.set(name, plugin.name)
    first.push(plugin)
  }
  return { first, clashing }
}
