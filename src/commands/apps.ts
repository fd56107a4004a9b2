import { join } from 'node:path'

import { appName, choice, flag, newAppName, option } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'
import { defineReport, defineSet, type Topic } from '../plugin/property.ts'

const topic: Topic = {
  name: 'apps',
  label: 'app',
  properties: [
    {
      key: 'disable-autocreation',
      about: 'true: a push to a name that no app has is refused, and makes none',
      where: 'global',
      fallback: 'false',
      read: choice('true', 'false'),
    },
  ],
  async facts(app, core, { dir }) {
    const live = core.releases.live(app)
    return {
      'created-at': String(Math.floor(core.apps.get(app).createdAt.getTime() / 1000)),
      'deploy-source': live ? 'git-push' : '',
      'deploy-source-metadata': live?.revision ?? '',
      dir: join(dir, 'git', `${app}.git`),
      release: live ? String(live.number) : '',
      locked: String(core.apps.locked(app)),
    }
  },
}

export const about = 'Manage apps'

export const commands = [
  defineCommand({
    name: 'apps:create',
    about: 'Make an app',
    args: { app: newAppName() },
    async run({ app }, { core, out, by, signal }) {
      out.step(`Creating ${app}...`)
      await core.apps.create(app, { by, out, signal })
      out(`Push to it with: git remote add davit ${core.remote(app)} && git push davit main`)
    },
  }),

  defineCommand({
    name: 'apps:destroy',
    about: 'Destroy an app with all that belongs to it: containers, images, releases, config, repository',
    args: { app: appName() },
    confirm: ({ app }) => ({ name: app, loses: `${app} is destroyed with everything that belongs to it.` }),
    async run({ app }, { core, out, by, signal }) {
      core.apps.get(app)
      out(`Destroying ${app} (including all add-ons)`)
      await core.apps.destroy(app, { by, out, signal })
    },
  }),

  defineCommand({
    name: 'apps:list',
    about: 'List the apps',
    reads: true,
    args: { format: option('format', choice('stdout', 'json'), { about: 'stdout or json' }) },
    run({ format }, { core, out }) {
      const names = core.apps.list().map(each => each.name)
      if (format === 'json') return out(JSON.stringify(names))
      if (names.length === 0) return out.warn("You haven't deployed any applications yet")
      out.headline('My Apps')
      for (const name of names) out(name)
    },
  }),

  defineCommand({
    name: 'apps:exists',
    about: 'Exit 0 when the app is there, 20 when not',
    reads: true,
    args: { app: appName(), quiet: flag('quiet') },
    run: ({ app }, { core }) => void core.apps.get(app),
  }),

  defineCommand({
    name: 'apps:rename',
    about: 'Give an app another name: its repository, default domains and containers follow',
    args: {
      app: appName(),
      to: newAppName('NEW'),
      skipDeploy: flag('skip-deploy', { about: 'Containers keep the old name until the next deploy' }),
    },
    async run({ app, to, skipDeploy }, context) {
      context.core.apps.get(app)
      context.out.step(`Renaming ${app} to ${to}`)
      await context.core.apps.rename(app, to, { rollout: !skipDeploy }, context)
      context.out(`Push to it with: git remote set-url davit ${context.core.remote(to)}`)
    },
  }),

  defineCommand({
    name: 'apps:clone',
    about:
      'Make an app like another: config, formation, settings, repository and what is live; not its domains',
    args: {
      app: appName(),
      to: newAppName('NEW'),
      skipDeploy: flag('skip-deploy', { about: 'The new app waits for its first push' }),
      ignoreExisting: flag('ignore-existing', { about: 'Do nothing when NEW is there already' }),
    },
    async run({ app, to, skipDeploy, ignoreExisting }, context) {
      const { core, out } = context
      core.apps.get(app)
      if (ignoreExisting && core.apps.find(to)) return out.warn('Name is already taken')
      out.step(`Cloning ${app} to ${to}`)
      await core.apps.clone(app, to, { rollout: !skipDeploy }, context)
      out(`Push to it with: git remote add davit ${core.remote(to)} && git push davit main`)
    },
  }),

  defineCommand({
    name: 'apps:lock',
    about: 'Refuse pushes to an app',
    args: { app: appName() },
    run({ app }, { core, out }) {
      core.apps.get(app)
      core.apps.lock(app)
      out(`Deploy lock created for ${app}`)
    },
  }),

  defineCommand({
    name: 'apps:unlock',
    about: 'Take pushes again, and end a change that is under way',
    args: { app: appName() },
    async run({ app }, { core, out }) {
      core.apps.get(app)
      await core.apps.unlock(app)
      out(`Deploy lock removed for ${app}`)
    },
  }),

  defineCommand({
    name: 'apps:locked',
    about: 'Print whether an app is locked, by a person or by a change under way; exit 1 when not',
    reads: true,
    args: { app: appName() },
    run({ app }, { core, out }) {
      const locked = core.apps.locked(core.apps.get(app).name)
      out(String(locked))
      return locked ? 0 : 1
    },
  }),

  defineReport(topic),
  defineSet(topic),
]
