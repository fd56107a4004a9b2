import type { NewContainer } from './engine.ts'

/** What a container may do of root's powers: what package managers, servers and `su` in usual images need, and no more. */
const capabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETGID', 'SETUID', 'NET_BIND_SERVICE', 'KILL']

/** A container in the engine's words. */
export function bodyOf({
  spec,
  labels,
  network,
  address,
  hostname,
  restart,
  interactive,
}: NewContainer): object {
  return {
    Image: spec.image,
    Cmd: spec.command.length > 0 ? spec.command : undefined,
    Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    Labels: { ...spec.labels, ...labels },
    Hostname: hostname,
    StopTimeout: spec.stopTimeout,
    User: spec.user,
    WorkingDir: spec.workdir,
    OpenStdin: interactive !== undefined,
    StdinOnce: interactive !== undefined,
    Tty: interactive?.tty ?? false,
    HostConfig: {
      NetworkMode: network ?? 'none',
      Init: true,
      SecurityOpt: ['no-new-privileges'],
      CapDrop: ['ALL'],
      CapAdd: capabilities,
      PidsLimit: spec.pidLimit,
      Memory: spec.memoryBytes,
      MemorySwap: spec.memorySwapBytes,
      MemoryReservation: spec.memoryReservationBytes,
      NanoCpus: spec.cpus && Math.round(spec.cpus * 1e9),
      CpuShares: spec.cpuShares,
      ShmSize: spec.shmBytes,
      Ulimits: entriesOf(spec.ulimits).map(([Name, { soft, hard }]) => ({ Name, Soft: soft, Hard: hard })),
      ExtraHosts: entriesOf(spec.hosts).map(([name, address]) => `${name}:${address}`),
      Dns: Object.keys(spec.dns ?? {}),
      Tmpfs: spec.tmpfs,
      ReadonlyRootfs: spec.readOnly,
      RestartPolicy: restartPolicy(restart),
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      Mounts: Object.entries(spec.mounts).map(([target, { source, readOnly = false }]) => ({
        Type: source.startsWith('/') ? 'bind' : 'volume',
        Source: source,
        Target: target,
        ReadOnly: readOnly,
      })),
    },
    NetworkingConfig: network && {
      EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: address } } },
    },
  }
}

function entriesOf<T>(map: Readonly<Record<string, T>> = {}): [string, T][] {
  return Object.entries(map)
}

export function restartPolicy(restart: boolean): object {
  return { Name: restart ? 'on-failure' : 'no' }
}
