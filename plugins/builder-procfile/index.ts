import { definePlugin } from 'davit/plugin'

/** Asked last: a Procfile without a language that another builder knows, such as a folder of scripts or a finished program. */
export default definePlugin({
  name: 'builder-procfile',
  about: 'Runs a repository that has nothing but a Procfile',
  api: 1,
  hooks: {
    findBuilder: {
      order: 'late',
      async handle({ source }) {
        if (await source.read('Procfile')) return { name: 'procfile', dockerfile }
      },
    },
  },
})

const dockerfile = `FROM davit/stack-base
WORKDIR /app
COPY --chown=app:app [".", "/app/"]
USER app
`
