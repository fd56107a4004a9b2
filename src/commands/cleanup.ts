import { UserError } from '../errors.ts'
import { appName, optional } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'

export const commands = [
  defineCommand({
    name: 'cleanup',
    about: 'Take away what nothing needs any more, as is done every night',
    args: { app: optional(appName()) },
    async run({ app }, { core, out }) {
      out.step(app === undefined ? 'Cleaning up' : `Cleaning up ${app}`)
      const { images, cacheBytes, busy, failed } = await core.upkeep(app)
      for (const each of busy) out.warn(`${each} is being changed and is left alone`)
      out(`Gone: ${counted(images, 'image')}${app ? '' : `, ${megabytes(cacheBytes)} of build cache`}`)
      if (failed.length > 0)
        throw new UserError(
          'cleanup-failed',
          `Not everything could be looked through: ${failed.join(', ')}.`,
          'The log says why: journalctl -u davit. It is tried again every night.',
        )
    },
  }),
]

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`
}
