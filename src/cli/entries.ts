import { abouts, commands } from '../commands/index.ts'
import type { Context } from '../plugin/define.ts'
import type { Member } from '../plugin/driver.ts'
import type { Roster } from '../plugin/roster.ts'
import type { Desk, Entry } from './dispatch.ts'
import { topicOf } from './help.ts'

/** Commands and what their topics are for: Davit's own and those of the plugins that are on, put together anew when these have changed. */
export function openEntries(own: Context, { members }: Roster): () => Pick<Desk, 'entries' | 'abouts'> {
  let last: { for: readonly Member[]; desk: Pick<Desk, 'entries' | 'abouts'> } | undefined
  return () => {
    const now = members()
    if (last?.for !== now) last = { for: now, desk: entriesOf(own, now) }
    return last.desk
  }
}

function entriesOf(own: Context, members: readonly Member[]): Pick<Desk, 'entries' | 'abouts'> {
  const entries = new Map<string, Entry>(commands.map(command => [command.name, { command, context: own }]))
  const sentences = new Map(abouts)
  for (const { plugin, context } of members) {
    for (const command of plugin.commands ?? []) {
      entries.set(command.name, { command, context })
      if (!sentences.has(topicOf(command.name))) sentences.set(topicOf(command.name), plugin.about)
    }
  }
  return { entries, abouts: sentences }
}
