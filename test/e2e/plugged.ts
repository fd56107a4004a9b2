import { spawn } from 'node:child_process'

import tar from 'tar-stream'

import type { Checkout, Sandbox } from './sandbox.ts'

/** A plugin's files. */
export function module(name: string, more: string): Record<string, string> {
  return {
    'index.ts': `import { definePlugin } from 'davit/plugin'
      export default definePlugin({ name: '${name}', about: 'Goes wrong', api: 1, ${more} })`,
  }
}

/** An app that answers with what its environment says. */
export async function greeted(box: Sandbox, app: string): Promise<Checkout> {
  const shop = await box.checkout('dockerfile-base', app)
  const server = (await shop.git('show', 'HEAD:server.pl')).stdout
  await shop.write(
    'server.pl',
    server
      .replace('"Built from a Dockerfile\\n"', '"$ENV{GREETING}/$ENV{UNWANTED}/$ENV{WANTED}\\n"')
      .replace('use warnings;', 'no warnings;'),
  )
  await shop.commit('Greets')
  return shop
}

/** A path that ends with `!` is executable. */
/** A folder as it is. */
export async function tarOfFolder(folder: string): Promise<Buffer> {
  const child = spawn('tar', ['-c', '-C', folder, '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
  return Buffer.concat(await Array.fromAsync(child.stdout as AsyncIterable<Buffer>))
}

export async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const packed = tar.pack()
  for (const [path, text] of Object.entries(files))
    packed.entry({ name: path.replace('!', ''), mode: path.endsWith('!') ? 0o755 : 0o644 }, text)
  packed.finalize()
  return Buffer.concat(await Array.fromAsync(packed as unknown as AsyncIterable<Buffer>))
}
