import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { isIP } from 'node:net'
import { homedir } from 'node:os'
import { resolve } from 'node:path'

import { UserError } from './errors.ts'

/** host: an address, or `::` for all of IPv4 and IPv6. */
export interface Listen {
  readonly host: string
  readonly port: number
}

/** The daemon's own settings: flags first, then DAVIT_* of the environment, then defaults. The only reader of process.env. */
export interface Settings {
  /** Several instances share an engine by this name without seeing each other. */
  readonly instance: string
  readonly data: string
  readonly socket: string
  readonly sshListen: Listen
  readonly httpListen: Listen
  /** Undefined where it is empty, or where `up` found it taken: nothing is served over TLS. */
  readonly httpsListen: Listen | undefined
  /** Where the proxy's counts can be had; undefined: nowhere. */
  readonly metricsListen: Listen | undefined
  /** Path of the engine's socket. */
  readonly docker: string
  /** IPv4 pool that apps' /26 networks are cut from. */
  readonly pool: string
  readonly workers: number
  /** Networks that are not public and may be fetched from all the same when a deployer's words lead there. */
  readonly allowLocal: readonly string[]
  /** Given for a first start only: the domain that apps' names are put before. */
  readonly domain: string | undefined
  /** A checkout on a developer's machine: high ports, data in the checkout, own keys let in. */
  readonly dev: boolean
  /** Users that `up` starts daemon and proxy as when it is root; undefined: as the caller. */
  readonly users: { readonly daemon: string; readonly proxy: string } | undefined
  /** Sockets handed over by whoever started us, by name (`ssh`, `http`, `https`): systemd's LISTEN_FDS protocol, sd_listen_fds(3). */
  readonly inherited: Readonly<Record<string, number>>
  /** It was started by the process whose place it takes. */
  readonly succeeds: boolean
  /** Where systemd wants to be told of a new main process: sd_notify(3). */
  readonly notify: string | undefined
  readonly home: string
  /** A named point at which to end with SIGKILL, for tests: read in sandboxes only. */
  readonly crash: string | undefined
}

export const root = resolve(import.meta.dirname, '..')

/** Where the program lies that is installed now: what `current` beside ours leads to, else our own. */
export function installedProgram(): string {
  const current = resolve(root, '../current')
  return existsSync(resolve(current, 'src/main.ts')) ? realpathSync(current) : root
}

/** Of the program as it lies on the disk. */
export function programVersion(): string {
  return (JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as { version: string }).version
}

type Flags = ReadonlyMap<string, string>

/** Throws UserError `bad-setting` naming the flag. `--dev` changes the defaults, nothing else. */
export function readSettings(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Settings {
  const flags = readFlags(argv)
  const dev = flags.has('dev') || env.DAVIT_DEV === '1'
  const value = (name: string, fallback: string) =>
    flags.get(name) ?? env[`DAVIT_${name.toUpperCase().replaceAll('-', '_')}`] ?? fallback
  const data = resolve(value('data', dev ? resolve(root, '.davit') : '/var/lib/davit'))
  const daemonUser = value('user', '')
  return {
    instance: instanceName(
      value('instance', dev ? `dev-${createHash('sha256').update(data).digest('hex').slice(0, 6)}` : 'davit'),
    ),
    data,
    socket: resolve(value('socket', dev ? resolve(data, 'admin.sock') : '/run/davit/admin.sock')),
    sshListen: listen('ssh-listen', value('ssh-listen', '[::]:2222')),
    httpListen: listen('http-listen', value('http-listen', dev ? '[::]:8080' : '[::]:80')),
    httpsListen: maybe(value('https-listen', dev ? '[::]:8443' : '[::]:443'), text =>
      listen('https-listen', text),
    ),
    metricsListen: maybe(value('metrics-listen', ''), text => listen('metrics-listen', text)),
    docker: value('docker', dockerSocket(env)),
    pool: value('pool', '10.213.0.0/16'),
    workers: whole('workers', value('workers', '2')),
    allowLocal: networks('allow-local', value('allow-local', '')),
    domain: value('domain', dev ? 'localhost' : '') || undefined,
    dev,
    users: daemonUser ? { daemon: daemonUser, proxy: value('proxy-user', daemonUser) } : undefined,
    inherited: inheritedSockets(env),
    succeeds: env.DAVIT_SUCCEEDS === '1',
    notify: env.NOTIFY_SOCKET || undefined,
    home: env.HOME ?? homedir(),
    crash: env.DAVIT_SANDBOX ? env.DAVIT_CRASH_AT : undefined,
  }
}

/** The environment that a child gets: enough to find programs and speak the person's language, nothing of ours. */
export function plainEnv(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept = ['PATH', 'HOME', 'LANG', 'TZ', 'USER', 'LOGNAME'].flatMap(name =>
    env[name] === undefined ? [] : [[name, env[name]] as const],
  )
  return Object.fromEntries(kept)
}

/** `DAVIT_*` settings as they are in force, for a process that `up` starts. */
export function settingsEnv(settings: Settings): Record<string, string> {
  const address = ({ host, port }: Listen) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
  return {
    DAVIT_INSTANCE: settings.instance,
    DAVIT_DATA: settings.data,
    DAVIT_SOCKET: settings.socket,
    DAVIT_SSH_LISTEN: address(settings.sshListen),
    DAVIT_HTTP_LISTEN: address(settings.httpListen),
    DAVIT_HTTPS_LISTEN: settings.httpsListen ? address(settings.httpsListen) : '',
    DAVIT_METRICS_LISTEN: settings.metricsListen ? address(settings.metricsListen) : '',
    DAVIT_DOCKER: settings.docker,
    DAVIT_POOL: settings.pool,
    DAVIT_WORKERS: String(settings.workers),
    DAVIT_ALLOW_LOCAL: settings.allowLocal.join(','),
    DAVIT_DOMAIN: settings.domain ?? '',
    ...(settings.dev ? { DAVIT_DEV: '1' } : {}),
    ...(settings.crash ? { DAVIT_SANDBOX: '1', DAVIT_CRASH_AT: settings.crash } : {}),
  }
}

function readFlags(argv: readonly string[]): Flags {
  const flags = new Map<string, string>()
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!
    const [, name, given] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? []
    if (!name || !known.has(name)) {
      throw new UserError(
        'bad-setting',
        `${word} is not a setting.`,
        `Settings: ${[...known].map(n => `--${n}`).join(' ')}`,
      )
    }
    if (name === 'dev') flags.set(name, '')
    else if (given !== undefined) flags.set(name, given)
    else if (argv[at + 1] !== undefined) flags.set(name, argv[++at]!)
    else throw new UserError('bad-setting', `--${name} needs a value.`)
  }
  return flags
}

const known = new Set([
  'dev',
  'instance',
  'data',
  'socket',
  'ssh-listen',
  'http-listen',
  'https-listen',
  'metrics-listen',
  'docker',
  'pool',
  'workers',
  'allow-local',
  'domain',
  'user',
  'proxy-user',
])

function listen(name: string, text: string): Listen {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65535) {
    throw new UserError(
      'bad-setting',
      `--${name} is ADDRESS:PORT, not ${text}.`,
      `For example: --${name} 127.0.0.1:2222`,
    )
  }
  return { host: bracketed ?? (plain || '::'), port: Number(port) }
}

function maybe<T>(text: string, read: (text: string) => T): T | undefined {
  return text === '' ? undefined : read(text)
}

function whole(name: string, text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text))
    throw new UserError('bad-setting', `--${name} is a number from 1 to 999, not ${text}.`)
  return Number(text)
}

function networks(name: string, text: string): string[] {
  return text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map(each => {
      const network = networkIn(each)
      if (network) return network
      throw new UserError(
        'bad-setting',
        `--${name} is a list of networks; ${each} is none.`,
        `For example: --${name} 10.1.0.0/16,fd00:1::/32`,
      )
    })
}

/** `10.1.0.0/16` as it stands, a single address as its own network; undefined for what is neither. */
function networkIn(text: string): string | undefined {
  const [, address = '', bits] = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const most = { 4: 32, 6: 128 }[isIP(address)]
  if (most === undefined || Number(bits ?? most) > most) return undefined
  return `${address}/${bits ?? most}`
}

function instanceName(text: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,30}$/.test(text)) return text
  throw new UserError('bad-setting', `--instance is lower-case letters, digits and dashes, not ${text}.`)
}

function dockerSocket(env: NodeJS.ProcessEnv): string {
  return env.DOCKER_HOST?.startsWith('unix://')
    ? env.DOCKER_HOST.slice('unix://'.length)
    : '/var/run/docker.sock'
}

function inheritedSockets(env: NodeJS.ProcessEnv): Record<string, number> {
  if (env.LISTEN_PID && env.LISTEN_PID !== String(process.pid)) return {}
  const names = (env.LISTEN_FDNAMES ?? '').split(':')
  const count = Number(env.LISTEN_FDS ?? 0)
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [names[at] || `fd${at}`, 3 + at]))
}

/** Where `davit COMMAND` finds its daemon: as told, else a checkout's own `davit up --dev`, else the host's. */
export function clientSocket(env: NodeJS.ProcessEnv = process.env): string {
  const own = resolve(root, '.davit/admin.sock')
  return env.DAVIT_SOCKET === undefined && existsSync(own) ? own : readSettings([], env).socket
}
