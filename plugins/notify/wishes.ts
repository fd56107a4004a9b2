import { type AppName, type Core, type DavitEvent, eventKinds, type Topic, UserError } from 'davit/plugin'

const usual = 'warning'
const levels = ['info', 'warning', 'error']

/** What to tell, and to whom: for an app, or for all. */
export const topic: Topic = {
  name: 'notify',
  properties: [
    {
      key: 'tell',
      about: 'info, warning or error: of that weight or more; also kinds (events:list), or none',
      where: 'both',
      fallback: usual,
      read: readTell,
    },
    {
      key: 'to',
      about: 'Names of channels, with commas between',
      where: 'both',
      fallback: 'all',
      read: value =>
        value
          .split(/[\s,]+/)
          .filter(Boolean)
          .join(','),
    },
  ],
}

function readTell(value: string): string {
  const words = value.split(/[\s,]+/).filter(Boolean)
  const known = (word: string) =>
    [...levels, 'none', 'all', ...eventKinds].includes(word) || /^[a-z0-9-]+:[a-z0-9*-]+$/.test(word)
  const unknown = words.find(word => !known(word))
  if (words.length > 0 && unknown === undefined) return words.join(',')
  throw new UserError(
    'bad-property',
    `${JSON.stringify(unknown ?? '')} is nothing to tell.`,
    `Give info, warning, error, none, or kinds of events: ${eventKinds.join(', ')}`,
  )
}

/** The names of the channels that this event goes to, out of those that there are. */
export function channelsFor(event: DavitEvent, names: readonly string[], core: Core): readonly string[] {
  const { app } = event
  const value = (key: string, fallback: string) => inForce(app, key, fallback, core).split(',')
  if (!value('tell', usual).some(word => fits(word, event))) return []
  const to = value('to', 'all')
  return to.includes('all') ? names : names.filter(name => to.includes(name))
}

/** An app that was destroyed has no values of its own any more. */
function inForce(app: AppName | undefined, key: string, fallback: string, core: Core): string {
  return app !== undefined && core.apps.find(app)
    ? core.properties.inForce('notify', app, key, fallback)
    : (core.properties.get('notify', undefined, key) ?? fallback)
}

function fits(word: string, { kind, level }: DavitEvent): boolean {
  if (word === 'none') return false
  if (word === 'all') return true
  if (levels.includes(word)) return levels.indexOf(level) >= levels.indexOf(word)
  return word === kind || (word.endsWith(':*') && kind.startsWith(word.slice(0, -1)))
}
