import type { Command } from '../plugin/command.ts'
import * as apps from './apps.ts'
import * as builds from './builds.ts'
import * as certs from './certs.ts'
import * as checks from './checks.ts'
import * as cleanup from './cleanup.ts'
import * as config from './config.ts'
import * as domains from './domains.ts'
import * as git from './git.ts'
import * as jobs from './jobs.ts'
import * as logs from './logs.ts'
import * as metrics from './metrics.ts'
import * as nginx from './nginx.ts'
import * as plugin from './plugin.ts'
import * as ports from './ports.ts'
import * as proxy from './proxy.ts'
import * as ps from './ps.ts'
import * as releases from './releases.ts'
import * as run from './run.ts'
import * as sshKeys from './ssh-keys.ts'
import * as url from './url.ts'
import * as version from './version.ts'

/** The list: a topic more is a file and a line. */
const topics = {
  apps,
  builds,
  certs,
  checks,
  cleanup,
  config,
  domains,
  git,
  jobs,
  logs,
  metrics,
  nginx,
  plugin,
  ports,
  proxy,
  ps,
  releases,
  run,
  'ssh-keys': sshKeys,
  url,
  version,
}

export const commands: readonly Command[] = Object.values(topics).flatMap(each => each.commands)

/** One sentence a topic, for `help`. */
export const abouts: ReadonlyMap<string, string> = new Map(
  Object.entries(topics).flatMap(([name, topic]) => ('about' in topic ? [[name, topic.about] as const] : [])),
)
