import { join } from 'node:path'

import { commands } from '../../src/commands/index.ts'
import { createReader, placesIn } from '../../src/plugin/load.ts'
import { root } from '../../src/settings.ts'

/** Says on stdout why a new plugin cannot have that name; nothing when it can. */
export async function whyTaken(name: string): Promise<string | undefined> {
  if (name === 'davit') return 'davit is Davit itself.'
  const places = placesIn(join(root, 'plugins'), '')
  if (places.some(place => place.name === name)) return `Davit itself brings a plugin ${name}.`
  const read = createReader({ user: undefined, env: {}, checkout: async () => undefined })
  const brought = await Promise.all(places.map(read))
  const theirs = brought.flatMap(each => ('plugin' in each ? (each.plugin.commands ?? []) : []))
  const found = [...commands, ...theirs].find(each => each.name.split(':')[0] === name)
  return found && `${name} is a topic of Davit's own commands: ${found.name} is there.`
}

if (process.argv[1] === import.meta.filename) {
  const reason = await whyTaken(process.argv[2] ?? '')
  if (reason !== undefined) console.log(reason)
}
