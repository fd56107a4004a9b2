import type { Source } from 'davit/plugin'

import { codeOf } from './code.ts'

export interface Django {
  /** The module that holds the WSGI application: `site.wsgi`. Undefined when there is none to be found. */
  readonly wsgi: string | undefined
  /** Static files are to be collected: a settings file names STATIC_ROOT. */
  readonly collects: boolean
}

/** Undefined when there is no manage.py of Django at the root. */
export async function djangoOf(source: Source): Promise<Django | undefined> {
  const manage = await codeOf(source, 'manage.py')
  if (!manage || !/django/i.test(manage)) return undefined
  const paths = await source.list()
  const [, settings] = /DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([\w.]+)['"]/.exec(manage) ?? []
  const texts = await Promise.all(settingsFiles(paths).map(path => codeOf(source, path)))
  return {
    wsgi: wsgiModule(paths, settings),
    collects: texts.some(text => /^\s*STATIC_ROOT\s*=/m.test(text ?? '')),
  }
}

function settingsFiles(paths: readonly string[]): string[] {
  return paths.filter(path => /(^|\/)settings(\/[^/]+|[\w-]*)\.py$/.test(path)).slice(0, 20)
}

/** The wsgi.py beside the settings that manage.py names, else the one nearest to the root. */
function wsgiModule(paths: readonly string[], settings: string | undefined): string | undefined {
  const found = paths
    .filter(path => /^([A-Za-z_]\w*\/)*wsgi\.py$/.test(path))
    .sort((a, b) => a.split('/').length - b.split('/').length)
  const beside = settings?.split('.').slice(0, -1)
  const wanted = found.find(path => beside?.[0] !== undefined && path.startsWith(`${beside[0]}/`)) ?? found[0]
  return wanted?.slice(0, -'.py'.length).replaceAll('/', '.')
}
