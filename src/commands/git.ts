import { UserError } from '../errors.ts'
import { defineReport, defineSet, type Topic } from '../plugin/property.ts'

export const about = 'Manage how pushes are taken'

const topic: Topic = {
  name: 'git',
  properties: [
    {
      key: 'deploy-branch',
      about: 'The branch that is deployed',
      where: 'both',
      fallback: (core, app) => (app && core.repository.deployBranch(app)) ?? 'main',
      read(value) {
        if (
          /^(?![-/.])(?!.*(?:\.\.|\/\/|@\{|\.lock(?:\/|$)))[^\s~^:?*[\\\x00-\x20\x7f]{1,200}(?<![/.])$/.test(
            value,
          )
        )
          return value
        throw new UserError(
          'bad-branch',
          `${JSON.stringify(value)} cannot be a branch.`,
          'For example: git:set shop deploy-branch main',
        )
      },
    },
  ],
  async facts(app, core) {
    const live = core.releases.live(app)
    return {
      'last-updated-at': live ? String(Math.floor(live.createdAt.getTime() / 1000)) : '',
      sha: live?.revision ?? '',
    }
  },
}

export const commands = [defineReport(topic), defineSet(topic)]
