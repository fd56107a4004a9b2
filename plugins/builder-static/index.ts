import { definePlugin, type Source, UserError } from 'davit/plugin'

/** Asked last: finished pages, and nothing that another builder knows. */
export default definePlugin({
  name: 'builder-static',
  about: 'Serves a folder of finished pages without a container',
  api: 1,
  hooks: {
    findBuilder: {
      order: 'late',
      async handle({ source }, { out }) {
        const folder = (await declared(source)) ?? (await found(source))
        if (folder === undefined) return
        out.detail(folder === '' ? 'Serving the files of the repository' : `Serving the files of ${folder}/`)
        return { name: 'static', static: folder }
      },
    },
  },
})

/** Where generators put what they make; the repository itself first. */
const folders = ['', 'public', 'dist', '_site']

async function found(source: Source): Promise<string | undefined> {
  const paths = new Set(await source.list())
  return folders.find(folder => paths.has(folder === '' ? 'index.html' : `${folder}/index.html`))
}

/** static.json names the folder in `root`; an empty .static says only that there is nothing to build. */
async function declared(source: Source): Promise<string | undefined> {
  const json = await source.read('static.json')
  if (json) return checked(source, rootIn(json.toString('utf8')))
  if (await source.read('.static')) return (await found(source)) ?? ''
}

function rootIn(json: string): string {
  try {
    const { root = '' } = (JSON.parse(json) ?? {}) as { root?: unknown }
    if (typeof root === 'string') return root
  } catch (cause) {
    throw new UserError(
      'bad-static-json',
      `static.json is no JSON: ${(cause as Error).message.slice(0, 200)}`,
      way,
      { cause },
    )
  }
  throw new UserError('bad-static-json', 'In static.json root is not a text.', way)
}

async function checked(source: Source, root: string): Promise<string> {
  const folder = root
    .replace(/^(\.?\/)+/, '')
    .replace(/\/+$/, '')
    .replace(/^\.$/, '')
  if (folder !== '' && !(await source.list()).some(path => path.startsWith(`${folder}/`))) {
    throw new UserError(
      'bad-static-json',
      `static.json names the folder ${JSON.stringify(root.slice(0, 100))}, which is not in the repository.`,
      'Commit the finished pages too, or name the folder that holds them.',
    )
  }
  return folder
}

const way = 'It looks like this: {"root": "dist"}'
