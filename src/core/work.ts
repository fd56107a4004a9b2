import { randomHex } from '../deploy/random.ts'
import { UserError } from '../errors.ts'
import type { RunIo, Work } from '../plugin/core.ts'
import { instanceLabels, type Rooms } from './rooms.ts'

const image = 'davit/stack-base'

/** A container for a moment, without a network, that belongs to no app. Answers the command's exit code; removes the container. */
export async function runWork({ words, mounts }: Work, io: RunIo, rooms: Rooms): Promise<number> {
  const { engine, settings } = rooms
  if (!(await engine.image(image)))
    throw new UserError(
      'stack-missing',
      `This host has no ${image} image.`,
      'Make it on the host, as root: scripts/stack base',
    )
  const { terminal, env, signal, ...streams } = io
  const name = `${settings.instance}.work.${randomHex(8)}`
  const spec = { image, command: words, env, mounts, labels: {}, pidLimit: 256, stopTimeout: 1 }
  await engine.create({
    ...{ name, spec, network: undefined, address: undefined, restart: false },
    labels: { ...instanceLabels(rooms), 'com.davit.task': 'work' },
    interactive: { tty: terminal !== undefined },
  })
  try {
    const attached = await engine.attach(name, { ...streams, signal, ...(terminal ? { terminal } : {}) })
    await engine.start(name)
    const [code] = await Promise.all([engine.wait(name, { signal }), attached.done])
    return code
  } finally {
    // Its end must not hide how the work ended; the next start takes away what stays.
    await engine
      .remove(name)
      .catch((err: unknown) => rooms.log.warn({ err, container: name }, 'a container for work stays for now'))
  }
}
