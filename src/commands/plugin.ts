import { UserError } from '../errors.ts'
import { choice, flag, keyFlag, option, optional, text } from '../plugin/args.ts'
import type { Installed, PluginFacts } from '../plugin/catalogue.ts'
import { defineCommand } from '../plugin/command.ts'
import { tableOf } from './table.ts'

export const about = 'Manage plugins'

const committish = option('committish', readCommittish, {
  about: 'A branch, a tag or a commit; what HEAD names unless given',
})
const format = option('format', choice('stdout', 'json'), { about: 'stdout or json' })

export const commands = [
  defineCommand({
    name: 'plugin:install',
    about: 'Put a plugin in, from a git repository that everybody may read or from a tar on stdin',
    args: {
      origin: text('URL', 'An https:// address that git can clone, or - for a tar on stdin'),
      committish,
      name: option('name', word => word, { about: 'Another name than its own' }),
    },
    async run({ origin, committish, name }, { core, by, out, signal, session }) {
      const call = { by, out, signal }
      if (origin !== '-')
        return tell(await core.plugins.install({ kind: 'git', url: origin, committish }, { name }, call), out)
      if (committish !== undefined)
        throw new UserError('bad-usage', 'A tar has no revisions: --committish goes with an address.')
      if (session.terminal)
        throw new UserError(
          'no-input',
          'No archive came in.',
          'Send one: tar -c . | ssh HOST plugin:install -',
        )
      tell(await core.plugins.install({ kind: 'tar', stream: session.stdin }, { name }, call), out)
    },
  }),

  defineCommand({
    name: 'plugin:update',
    about: 'Fetch a plugin anew from where it came from, or all of them',
    args: { name: optional(text('NAME')), committish },
    async run({ name, committish }, { core, by, out, signal }) {
      const call = { by, out, signal }
      if (name === undefined && committish !== undefined)
        throw new UserError(
          'bad-usage',
          'Name the plugin that --committish is for.',
          'Usage: plugin:update NAME --committish REV',
        )
      const fetched = core.plugins.list().filter(each => each.source !== undefined && each.source !== 'tar')
      if (name === undefined && fetched.length === 0) out.warn('No plugin was installed from a repository')
      const names = name === undefined ? fetched.map(each => each.name) : [name]
      for (const each of names) tell(await core.plugins.update(each, { committish }, call), out)
    },
  }),

  defineCommand({
    name: 'plugin:uninstall',
    about: 'Take a plugin away; what it kept stays for when it comes back, unless --purge',
    args: {
      name: text('NAME'),
      purge: flag('purge', {
        about: 'What it kept goes too, for all apps; also of one that is uninstalled already',
      }),
    },
    confirm: ({ name, purge }) =>
      purge ? { name, loses: `${name} is uninstalled, and what it kept, for all apps, is lost.` } : undefined,
    async run({ name, purge }, { core, by, out, signal }) {
      await core.plugins.uninstall(name, { purge }, { by, out, signal })
      out(purge ? `${name} is uninstalled, and what it kept is gone` : `${name} is uninstalled`)
    },
  }),

  defineCommand({
    name: 'plugin:enable',
    about: 'Turn a plugin on again',
    args: { name: text('NAME') },
    async run({ name }, { core, by, out, signal }) {
      const wasOff = await core.plugins.enable(name, { by, out, signal })
      out(wasOff ? `${name} is on` : `${name} is on already`)
    },
  }),

  defineCommand({
    name: 'plugin:disable',
    about: 'Turn a plugin off until it is enabled; apps that depend on it stay as they are',
    args: { name: text('NAME') },
    async run({ name }, { core, by, out, signal }) {
      const wasOn = await core.plugins.disable(name, { by, out, signal })
      out(wasOn ? `${name} is off` : `${name} is off already`)
      const { apps } = core.plugins.get(name)
      if (apps.length > 0) out.warn(`Not deployed until it is back: ${apps.join(', ')}`)
    },
  }),

  defineCommand({
    name: 'plugin:list',
    about: 'List the plugins, those that are off with the reason',
    reads: true,
    args: { format },
    run({ format }, { core, out }) {
      const all = core.plugins.list()
      if (format === 'json') return out(JSON.stringify(all.map(each => factsOf(each))))
      for (const line of tableOf([['NAME', 'VERSION', 'STATE', 'ABOUT'], ...all.map(rowOf)])) out(line)
      for (const { name, off } of all) if (off !== undefined) out.warn(`${name} is off: ${off}`)
      for (const each of all)
        if (each.hides)
          out.warn(`${each.name} ${hiding(each)}. Take that away: plugin:uninstall ${each.name}`)
    },
  }),

  defineCommand({
    name: 'plugin:installed',
    about: 'Succeed when there is such a plugin',
    reads: true,
    args: { name: text('NAME') },
    run: ({ name }, { core }) => (core.plugins.list().some(each => each.name === name) ? 0 : 1),
  }),

  defineCommand({
    name: 'plugin:report',
    about: 'Show where a plugin comes from, what it listens to, and why it is off; or of all',
    reads: true,
    args: { name: optional(text('NAME')), format, key: keyFlag('Only this value, bare: --plugin-KEY') },
    run({ name, format, key }, { core, out }) {
      const all = name === undefined ? core.plugins.list() : [core.plugins.get(name)]
      for (const each of all) {
        const rows = factsOf(each)
        if (key !== undefined) out(pick(rows, key))
        else if (format === 'json') out(JSON.stringify(rows))
        else {
          out(`=====> ${each.name} plugin information`)
          for (const [name, value] of Object.entries(rows))
            out(`       ${`Plugin ${name.replaceAll('-', ' ')}:`.padEnd(23)} ${value}`.trimEnd())
        }
      }
    },
  }),
]

function tell({ plugin, was }: Installed, out: (line: string) => void): void {
  const { name } = plugin
  const said = {
    new: `${name} is installed, at ${versionOf(plugin)}`,
    another: `${name} is now at ${versionOf(plugin)}`,
    off: `${name} is on again, at ${versionOf(plugin)}`,
    'as-before': `${name} is at ${versionOf(plugin)} already`,
  }
  out(said[was])
}

function rowOf(plugin: PluginFacts): string[] {
  return [plugin.name, versionOf(plugin), stateOf(plugin), plugin.about || '-']
}

/** Who installed it ought to know that it does nothing. */
function hiding({ hides }: PluginFacts): string {
  if (!hides) return ''
  const from = hides.source === 'tar' ? 'a tar' : hides.source
  return `comes with Davit by now; the one from ${from}, at ${hides.commit.slice(0, 10)}, is not used`
}

function stateOf({ off }: PluginFacts): string {
  return off === undefined ? 'on' : 'off'
}

/** A commit by its first digits. */
function versionOf({ version, origin }: PluginFacts): string {
  return origin === 'installed' ? version.slice(0, 10) : version
}

function factsOf(plugin: PluginFacts): Record<string, string> {
  return {
    name: plugin.name,
    about: plugin.about,
    version: plugin.version,
    state: stateOf(plugin),
    reason: plugin.off ?? '',
    hides: hiding(plugin),
    'last-failure': plugin.failure ? `${plugin.failure.at.toISOString()} ${plugin.failure.text}` : '',
    origin: plugin.origin,
    source: plugin.source ?? '',
    committish: plugin.committish ?? '',
    'installed-at': plugin.installedAt?.toISOString() ?? '',
    kind: plugin.executable ? 'executable' : 'module',
    api: plugin.api?.toString() ?? '',
    needs: plugin.needs.join(' '),
    hooks: plugin.hooks.join(' '),
    commands: plugin.commands.join(' '),
    'depending-apps': plugin.apps.join(' '),
  }
}

function pick(rows: Record<string, string>, key: string): string {
  const name = key.replace(/^plugin-/, '')
  if (Object.hasOwn(rows, name)) return rows[name]!
  const valid = Object.keys(rows).map(each => `--plugin-${each}`)
  throw new UserError('bad-flag', `Invalid flag passed, valid flags: ${valid.join(', ')}`)
}

function readCommittish(word: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}$/.test(word) && !word.includes('..')) return word
  throw new UserError('bad-argument', `${JSON.stringify(word)} names no branch, tag or commit.`)
}
