import { normalize } from 'node:path'

import { UserError } from '../errors.ts'

/** With one of these, or with what lies in them, a container has the host itself. */
const ofTheHost = [
  ...['/bin', '/boot', '/dev', '/etc', '/lib', '/proc', '/root', '/run', '/sbin', '/sys', '/usr'],
  ...['/var/run', '/var/lib/docker', '/var/lib/containerd'],
]

/** With these alone: what lies in them may be an app's. */
const above = ['/', '/home', '/mnt', '/opt', '/srv', '/tmp', '/var', '/var/lib']

/** A path of the host that a container may have. UserErrors `bad-path`, `host-path`. */
export function refuseHostPath(path: string): void {
  if (!path.startsWith('/') || path.includes('\0') || normalize(`${path}/`) !== `${path.replace(/\/$/, '')}/`)
    throw new UserError(
      'bad-path',
      `${JSON.stringify(path)} is no path of the host.`,
      'It begins with / and has no dots.',
    )
  const plain = path.replace(/\/$/, '') || '/'
  const isHosts = ofTheHost.some(each => plain === each || plain.startsWith(`${each}/`))
  if (isHosts || above.includes(plain))
    throw new UserError('host-path', `${path} is the host's own: with it an app could do anything here.`)
}
