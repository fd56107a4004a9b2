import { UserError } from '../errors.ts'
import { appName } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'

export const commands = [
  defineCommand({
    name: 'url',
    about: 'Print where an app is found',
    reads: true,
    args: { app: appName() },
    run: ({ app }, { core, out }) => out(found(app, core.domains.urls(core.apps.get(app).name))[0]!),
  }),

  defineCommand({
    name: 'urls',
    about: 'Print all places where an app is found',
    reads: true,
    args: { app: appName() },
    run({ app }, { core, out }) {
      for (const url of found(app, core.domains.urls(core.apps.get(app).name))) out(url)
    },
  }),
]

function found(app: string, urls: readonly string[]): readonly string[] {
  if (urls.length > 0) return urls
  throw new UserError('no-domain', `No domain leads to ${app}.`, `Add one with: domains:add ${app} DOMAIN`)
}
