import { createHash } from 'node:crypto'

import { type Core, messageOf, readJsonc, UserError } from 'davit/plugin'

/** A line of app.json's `cron`. */
export interface Task {
  /** Of what it does and when: the same from push to push. */
  readonly id: string
  readonly schedule: string
  readonly command: string
  readonly overlaps: boolean
}

const mostTasks = 100

/** The tasks of an app.json. UserError `bad-app-json`. */
export function readTasks(text: string, core: Core): readonly Task[] {
  const file = read(text)
  const cron = (file as { cron?: unknown } | null)?.cron ?? []
  if (!Array.isArray(cron)) throw bad('its cron is no list')
  if (cron.length > mostTasks) throw bad(`it has more than ${mostTasks} cron tasks`)
  const tasks = cron
    .filter(each => (each as { maintenance?: unknown })?.maintenance !== true)
    .map(each => taskOf(each, core))
  return [...new Map(tasks.map(task => [task.id, task])).values()]
}

function taskOf(given: unknown, { jobs }: Core): Task {
  const {
    command,
    schedule,
    concurrency_policy: policy = 'forbid',
  } = Object(given) as Record<string, unknown>
  if (typeof command !== 'string' || command.trim() === '' || /[\0\n]/.test(command))
    throw bad('a cron task has no command')
  if (typeof schedule !== 'string') throw bad(`${command} has no schedule`)
  if (policy !== 'forbid' && policy !== 'allow')
    throw bad(`${command} has a concurrency_policy that is neither forbid nor allow`)
  const usual = {
    '@hourly': '0 * * * *',
    '@daily': '0 0 * * *',
    '@weekly': '0 0 * * 0',
    '@monthly': '0 0 1 * *',
  }
  const fields = usual[schedule as keyof typeof usual] ?? schedule
  try {
    jobs.readSchedule(fields)
  } catch (error) {
    throw bad(`${command}: ${messageOf(error)}`)
  }
  const id = createHash('sha256').update(`${fields}\n${command}`).digest('hex').slice(0, 8)
  return { id, schedule: fields, command, overlaps: policy === 'allow' }
}

function read(text: string): unknown {
  try {
    return readJsonc(text)
  } catch (error) {
    throw bad(messageOf(error))
  }
}

function bad(why: string): UserError {
  return new UserError('bad-app-json', `app.json cannot be used: ${why}.`, 'Mend it, commit and push again.')
}
