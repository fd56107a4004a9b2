import { definePlugin } from 'davit/plugin'

import { withoutSyntax } from './directives.ts'

/** A Dockerfile in the repository decides, before any language is looked for. */
export default definePlugin({
  name: 'builder-dockerfile',
  about: 'Builds a repository as its own Dockerfile says',
  api: 1,
  hooks: {
    findBuilder: {
      order: 'early',
      async handle({ source }, { out }) {
        const bytes = await source.read('Dockerfile')
        if (!bytes) return
        const { dockerfile, syntax } = withoutSyntax(bytes.toString('utf8'))
        if (syntax) {
          out.warn(`The Dockerfile's line "# syntax=${syntax}" is left out: it would fetch another builder.`)
        }
        const ignore = (await source.read('.dockerignore'))?.toString('utf8')
        return { name: 'dockerfile', dockerfile, ...(ignore ? { ignore } : {}) }
      },
    },
  },
})
