import { randomHex } from '../deploy/random.ts'
import type { NewContainer } from '../docker/engine.ts'
import { UserError } from '../errors.ts'
import type { RunIo, Work } from '../plugin/core.ts'
import { instanceLabels, type Rooms } from './rooms.ts'

const image = 'davit/stack-base'

/** A container for a moment, without a network, that belongs to no app. Answers the command's exit code; removes the container. */
export async function runWork({ words, mounts }: Work, io: RunIo, rooms: Rooms): Promise<number> {
  if (!(await rooms.engine.image(image)))
    throw new UserError(
      'stack-missing',
      `This host has no ${image} image.`,
      'Make it on the host, as root: scripts/stack base',
    )
  const { env } = io
  return runAlone(
    {
      name: `${rooms.settings.instance}.work.${randomHex(8)}`,
      spec: { image, command: words, env, mounts, labels: {}, pidLimit: 256, stopTimeout: 1 },
      labels: { ...instanceLabels(rooms), 'com.davit.task': 'work' },
    },
    io,
    rooms,
  )
}

/** Made, with somebody at its other end, and removed once it has ended. It has no network. */
export async function runAlone(
  container: Pick<NewContainer, 'name' | 'spec' | 'labels'>,
  { terminal, env: _env, signal, ...streams }: RunIo,
  { engine, log }: Rooms,
): Promise<number> {
  const { name } = container
  const nowhere = { network: undefined, address: undefined, restart: false }
  await engine.create({ ...container, ...nowhere, interactive: { tty: terminal !== undefined } })
  try {
    const attached = await engine.attach(name, { ...streams, signal, ...(terminal ? { terminal } : {}) })
    await engine.start(name)
    const [code] = await Promise.all([engine.wait(name, { signal }), attached.done])
    return code
  } finally {
    // Its end must not hide how the work ended; the next start takes away what stays.
    await engine
      .remove(name)
      .catch((err: unknown) => log.warn({ err, container: name }, 'a container for work stays for now'))
  }
}
