import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { plainEnv } from '../../src/settings.ts'
import { freePort, run } from '../../test/e2e/sandbox.ts'

/**
 * An OpenSSH server of one's own as it comes, on a free port, with its own host key. The stanza `plain` that leads to it joins
 * `config`, next to Davit's, with the same key. Both get a new connection for each command, and the same exchange of keys.
 */
export async function startSshd(
  dir: string,
  { key, config }: { key: string; config: string },
): Promise<{ stop(): Promise<void> }> {
  const port = await freePort()
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(dir, 'sshd_key')])
  await copyFile(`${key}.pub`, join(dir, 'authorized_keys'))
  await writeFile(join(dir, 'sshd_config'), serverConfig(dir, port))
  await appendFile(config, clientConfig(dir, { key, port }))
  await mkdir(join(dir, 'home'))
  await mkdir('/run/sshd', { recursive: true, mode: 0o755 }).catch(() => undefined)
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(dir, 'sshd_config')], {
    env: plainEnv(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (words: string) => {
    said = (said + words).slice(-2000)
  })
  const ended = once(child, 'exit')
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`sshd ended: ${said}`)
    await pause(20)
  }
  return {
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

// A home of its own, so that no login file of the person who measures is run and counted. StrictModes looks at the folders above,
// and a temporary folder belongs to everyone.
function serverConfig(dir: string, port: number): string {
  return [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(dir, 'sshd_key')}`,
    `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
    `PidFile ${join(dir, 'sshd.pid')}`,
    `SetEnv HOME=${join(dir, 'home')}`,
    'StrictModes no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'MaxStartups 100',
    '',
  ].join('\n')
}

function clientConfig(dir: string, { key, port }: { key: string; port: number }): string {
  return [
    'Host plain',
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    `  User ${userInfo().username}`,
    `  IdentityFile ${key}`,
    '  IdentitiesOnly yes',
    '  StrictHostKeyChecking accept-new',
    `  UserKnownHostsFile ${join(dir, 'known_hosts')}`,
    '  LogLevel ERROR',
    'Host *',
    '  ControlMaster no',
    '  ControlPath none',
    '  KexAlgorithms curve25519-sha256',
    '',
  ].join('\n')
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
