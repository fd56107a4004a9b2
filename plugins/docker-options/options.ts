import { isIP } from 'node:net'

import { type ContainerSpec, type ImageBuilder, readConfigKey, refuseHostPath, UserError } from 'davit/plugin'

type Patch = (spec: ContainerSpec, value: string) => Partial<ContainerSpec>

/** The engine's options for a container that do not give the app the host, by their long names. */
const known: Readonly<Record<string, Patch>> = {
  memory: (_, value) => ({ memoryBytes: bytesOf(value) }),
  'memory-swap': (_, value) => ({ memorySwapBytes: value === '-1' ? -1 : bytesOf(value) }),
  'memory-reservation': (_, value) => ({ memoryReservationBytes: bytesOf(value) }),
  cpus: (_, value) => ({ cpus: numberOf(value, /^\d+(\.\d+)?$/) }),
  'cpu-shares': (_, value) => ({ cpuShares: numberOf(value) }),
  'shm-size': (_, value) => ({ shmBytes: bytesOf(value) }),
  'pids-limit': (_, value) => ({ pidLimit: numberOf(value) }),
  'stop-timeout': (_, value) => ({ stopTimeout: numberOf(value) }),
  ulimit: ({ ulimits }, value) => ({ ulimits: { ...ulimits, ...ulimitOf(value) } }),
  'add-host': ({ hosts }, value) => ({ hosts: { ...hosts, ...hostOf(value) } }),
  dns: ({ dns }, value) => ({ dns: { ...dns, [addressOf(value)]: true } }),
  tmpfs: ({ tmpfs }, value) => ({ tmpfs: { ...tmpfs, ...pair(value, ':', pathOf) } }),
  env: ({ env }, value) => ({ env: { ...env, ...pair(value, '=', readConfigKey) } }),
  label: ({ labels }, value) => ({ labels: { ...labels, ...pair(value, '=', labelOf) } }),
  volume: ({ mounts }, value) => ({ mounts: { ...mounts, ...volumeOf(value) } }),
  mount: ({ mounts }, value) => ({ mounts: { ...mounts, ...mountOf(value) } }),
  user: (_, user) => ({ user }),
  workdir: (_, value) => ({ workdir: pathOf(value) }),
}

const switches: Readonly<Record<string, Partial<ContainerSpec>>> = {
  'read-only': { readOnly: true },
  init: {},
}

const short: Readonly<Record<string, string>> = {
  ...{ m: 'memory', c: 'cpu-shares', v: 'volume', e: 'env', l: 'label', u: 'user', w: 'workdir' },
  ...{ p: 'publish', h: 'hostname' },
}

/** Options that people know from elsewhere, and what there is in their place. */
const instead: Readonly<Record<string, string>> = {
  publish: 'Ports are led to the app by the proxy: ports:add',
  expose: 'Ports are led to the app by the proxy: ports:add',
  link: 'Apps reach each other over a network of their own: network:create, network:set',
  network: 'Networks are joined with: network:set',
  net: 'Networks are joined with: network:set',
  restart: 'Davit restarts what has ended.',
  name: 'Davit names the containers.',
  hostname: 'Davit names the containers.',
}

/** The spec with one line of options. UserError `bad-option`. */
export function shaped(spec: ContainerSpec, line: string): ContainerSpec {
  let now = spec
  for (const { name, value } of split(line)) {
    const patch = known[name]
    if (!patch && !Object.hasOwn(switches, name)) throw unknown(name)
    if (patch && value === undefined) throw bad(`--${name} needs a value.`)
    now = { ...now, ...(patch ? patch(now, value!) : switches[name]) }
  }
  return now
}

/** The build with one line of options. UserError `bad-option`. */
export function built(builder: ImageBuilder, line: string): ImageBuilder {
  let now = builder
  for (const { name, value } of split(line)) {
    if (value === undefined) throw bad(`--${name} needs a value.`)
    if (name !== 'target' && name !== 'build-arg')
      throw bad(`--${name} is no option of a build here.`, 'There are --build-arg and --target.')
    now =
      name === 'target'
        ? { ...now, target: value }
        : { ...now, buildArgs: { ...now.buildArgs, ...pair(value, '=', readConfigKey) } }
  }
  return now
}

interface Option {
  readonly name: string
  readonly value: string | undefined
}

/** `--name value`, `--name=value`, `-n value`, one behind the other. A value with spaces stands in quotes. */
function split(line: string): readonly Option[] {
  const words = line.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)?.map(unquoted) ?? []
  const options: Option[] = []
  while (words.length > 0) {
    const [, dashes, given = '', value] = /^(--?)([a-z][a-z-]*)(?:=(.*))?$/s.exec(words.shift()!) ?? []
    const name = dashes === '-' ? (short[given] ?? given) : given
    if (!dashes) throw bad(`${JSON.stringify(line)} is no option.`, 'An option begins with --')
    const takes = value === undefined && !Object.hasOwn(switches, name) && words[0]?.startsWith('-') !== true
    options.push({ name, value: value ?? (takes ? words.shift() : undefined) })
  }
  return options
}

function unquoted(word: string): string {
  return word.replace(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? '')
}

function pair(value: string, between: string, read: (name: string) => string): Record<string, string> {
  const at = value.indexOf(between)
  if (at < 0 && between === '=')
    throw bad(`${JSON.stringify(value)} has no value.`, 'Say it like NAME=VALUE.')
  return { [read(at < 0 ? value : value.slice(0, at))]: at < 0 ? '' : value.slice(at + 1) }
}

function labelOf(name: string): string {
  if (name !== '' && !name.startsWith('com.davit.')) return name
  throw bad(`${JSON.stringify(name)} is no label for people.`)
}

function bytesOf(value: string): number {
  const [, number, unit = 'b'] = /^(\d{1,15})([bkmg])?b?$/i.exec(value) ?? []
  if (number === undefined)
    throw bad(`${JSON.stringify(value)} is no amount of memory.`, 'Say it like 512m or 2g.')
  return (
    Number(number) *
    { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[unit.toLowerCase() as 'b' | 'k' | 'm' | 'g']
  )
}

function numberOf(value: string, form = /^\d{1,12}$/): number {
  if (form.test(value)) return Number(value)
  throw bad(`${JSON.stringify(value)} is no number.`)
}

function ulimitOf(value: string): NonNullable<ContainerSpec['ulimits']> {
  const [, name, soft, hard = soft] = /^([a-z]+)=(\d+|-1)(?::(\d+|-1))?$/.exec(value) ?? []
  if (name === undefined) throw bad(`${JSON.stringify(value)} is no limit.`, 'Say it like nofile=1024:2048.')
  return { [name]: { soft: Number(soft), hard: Number(hard) } }
}

function hostOf(value: string): Record<string, string> {
  const [, name, address = ''] = /^([a-z0-9._-]+)[:=]\[?([0-9a-f.:]+)\]?$/i.exec(value) ?? []
  if (name !== undefined && isIP(address)) return { [name]: address }
  throw bad(`${JSON.stringify(value)} is no host.`, 'Say it like NAME:192.0.2.7.')
}

function addressOf(value: string): string {
  if (isIP(value)) return value
  throw bad(`${JSON.stringify(value)} is no address.`)
}

function pathOf(value: string): string {
  if (/^\/[^\0,:]*$/.test(value)) return value
  throw bad(`${JSON.stringify(value)} is no path in the container.`)
}

function volumeOf(value: string): ContainerSpec['mounts'] {
  const [source = '', target = '', options = ''] = value.split(':')
  if (!/^(?:rw|ro|z|Z)?(?:,(?:rw|ro|z|Z))*$/.test(options) || value.split(':').length > 3)
    throw bad(`${JSON.stringify(options)} is no option of a volume here.`, 'Say it like /host/path:/path:ro.')
  return mounted(source, target, options.split(',').includes('ro'))
}

function mountOf(value: string): ContainerSpec['mounts'] {
  const fields = new Map(value.split(',').map(each => each.split(/=(.*)/s) as [string, string | undefined]))
  const get = (...names: string[]) => names.flatMap(name => fields.get(name) ?? [])[0] ?? ''
  if (!['bind', 'volume', ''].includes(get('type')))
    throw bad(`A mount of type ${get('type')} is not known here.`)
  const isReadOnly = ['readonly', 'ro'].some(name => fields.has(name) && fields.get(name) !== 'false')
  return mounted(get('source', 'src'), get('target', 'destination', 'dst'), isReadOnly)
}

function mounted(source: string, target: string, readOnly: boolean): ContainerSpec['mounts'] {
  if (source.startsWith('/')) refuseHostPath(source)
  else if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(source))
    throw bad(`${JSON.stringify(source)} is no path or volume.`)
  return { [pathOf(target)]: { source, ...(readOnly ? { readOnly } : {}) } }
}

function unknown(name: string): UserError {
  if (Object.hasOwn(instead, name)) return bad(`--${name} cannot be set here.`, instead[name])
  return bad(
    `--${name} is no option that an app may have.`,
    `There are: ${[...Object.keys(known), ...Object.keys(switches)].map(each => `--${each}`).join(' ')}`,
  )
}

function bad(message: string, hint?: string): UserError {
  return new UserError('bad-option', message, hint)
}
