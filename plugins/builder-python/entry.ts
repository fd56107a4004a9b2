import { type Source, UserError } from 'davit/plugin'

import { codeOf } from './code.ts'
import type { Django } from './django.ts'
import type { Requirements } from './requirements.ts'

/** How an app without a Procfile answers HTTP. */
export interface Entry {
  readonly line: string
  /** The distribution that the line runs, to be installed with the requirements. */
  readonly server: 'gunicorn' | 'uvicorn' | undefined
}

const candidates = ['wsgi.py', 'app.py', 'main.py', 'app/__init__.py']

/** Found by reading, never by running. UserError `no-entry` or `python-requirements` when there is nothing that could run. */
export async function entryOf(
  source: Source,
  { requirements, django }: { requirements: Requirements | undefined; django: Django | undefined },
): Promise<Entry> {
  if (django && !requirements) throw unmet('manage.py', 'django')
  if (django?.wsgi) return gunicorn(django.wsgi)
  for (const path of candidates) {
    const text = await codeOf(source, path)
    if (text === undefined) continue
    const framework = frameworkOf(text)
    if (framework && !requirements) throw unmet(path, framework)
    const entry = read(path, text)
    if (entry) return entry
  }
  throw new UserError(
    'no-entry',
    'This is a Python app, but nothing says how to start it.',
    'Add a Procfile with a line such as: web: gunicorn --bind 0.0.0.0:$PORT PACKAGE:app',
  )
}

function read(path: string, text: string): Entry | undefined {
  const module = path.replace(/(\/__init__)?\.py$/, '').replaceAll('/', '.')
  const asgi = assigned(text, 'FastAPI|Starlette|Quart|Litestar')
  if (asgi) return uvicorn(`${module}:${asgi}`)
  const wsgi = assigned(text, 'Flask|Bottle|Dash') ?? conventional(text)
  if (wsgi) return gunicorn(`${module}:${wsgi}`)
  const factory = factoryOf(text)
  if (factory) return gunicorn(`${module}:${factory}()`)
  if (/^(app|main)\.py$/.test(path)) return { line: `python ${path}`, server: undefined }
}

/** `app = Flask(`, also `app: Flask = flask.Flask(`. */
function assigned(text: string, classes: string): string | undefined {
  return new RegExp(`^(\\w+)\\s*(?::[^=\\n]+)?=\\s*(?:\\w+\\.)*(?:${classes})\\(`, 'm').exec(text)?.[1]
}

/** A module's own `application` or `app`: assigned, imported or defined. */
function conventional(text: string): string | undefined {
  for (const name of ['application', 'app']) {
    const forms = [
      `^${name}\\s*(?::[^=\\n]+)?=[^=]`,
      `^from\\s+\\S+\\s+import\\s+(?:.*[\\s,])?${name}\\s*(?:,|#|$)`,
      `^def ${name}\\(\\s*\\w+[^,)]*,\\s*\\w+[^,)]*\\)`,
    ]
    if (forms.some(form => new RegExp(form, 'm').test(text))) return name
  }
}

/** A function that makes the app and can be called without arguments. */
function factoryOf(text: string): string | undefined {
  const [, name, parameters = ''] = /^def (create_app|make_app)\(([^)]{0,400})\)/m.exec(text) ?? []
  const optional = parameters.split(',').every(each => /^\s*($|\*)/.test(each) || each.includes('='))
  return optional ? name : undefined
}

function frameworkOf(text: string): string | undefined {
  return /^\s*(?:from|import)\s+(flask|django|bottle|dash|fastapi|starlette|quart|litestar|falcon)\b/m.exec(
    text,
  )?.[1]
}

function gunicorn(app: string): Entry {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the container's shell fills it in.
  const start = 'gunicorn --bind 0.0.0.0:$PORT --workers ${WEB_CONCURRENCY:-2} --threads 4 --access-logfile -'
  return { line: /\(/.test(app) ? `exec ${start} '${app}'` : `${start} ${app}`, server: 'gunicorn' }
}

function uvicorn(app: string): Entry {
  return { line: `uvicorn --host 0.0.0.0 --port $PORT ${app}`, server: 'uvicorn' }
}

function unmet(path: string, framework: string): UserError {
  return new UserError(
    'python-requirements',
    `${path} needs ${framework}, but there is no requirements.txt.`,
    `Write one: echo ${framework} > requirements.txt`,
  )
}
