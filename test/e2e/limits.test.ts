import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'

import t from 'tap'

import { type Sandbox, sandbox } from './sandbox.ts'

t.test("limits and the engine's options are in the containers that they were set for", async t => {
  const box = await sandbox(t)
  await box.ssh('apps:create shop')
  const shop = await box.checkout('dockerfile-base', 'shop')
  await shop.write(
    'Dockerfile',
    (await shop.git('show', 'HEAD:Dockerfile')).stdout.replace(
      'USER app',
      'ARG MOTTO\nRUN echo "$MOTTO" >/app/motto\nUSER app',
    ),
  )
  await shop.write('Procfile', 'web: perl /app/server.pl\nworker: exec sleep 1000\n')
  await shop.commit('Has a worker')
  for (const line of [
    'resource:limit --memory 96m --cpu 0.5 shop',
    'resource:limit --memory 64m --process-type worker shop',
    'docker-options:add shop build --build-arg MOTTO=onwards',
    'docker-options:add shop deploy --ulimit nofile=1234:1234',
    'docker-options:add shop deploy,run --tmpfs /scratch',
    'ps:scale shop worker=1',
  ])
    t.match(await box.ssh(line), { code: 0, stderr: '' }, line)
  for (const option of ['--privileged', '-v /:/host', '--pid host', '--cap-add SYS_ADMIN'])
    t.match(await box.ssh(`docker-options:add shop deploy ${option}`), { code: 1 }, `${option} is refused`)
  t.match(await shop.push(), { code: 0 })

  const look = (container: string) =>
    inside(
      box,
      container,
      'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; ulimit -n; grep -c " /scratch tmpfs " /proc/mounts; cat /app/motto',
    )
  const [web, worker] = ['web', 'worker'].map(
    name => async () => (await box.containers()).find(each => each.includes(`shop.${name}.`))!,
  ) as [() => Promise<string>, () => Promise<string>]
  t.equal(await look(await web()), `${96 << 20}\n1234\n1\nonwards\n`)
  t.equal(await look(await worker()), `${64 << 20}\n1234\n1\nonwards\n`)
  t.match(await box.ssh('resource:report shop --format json'), {
    stdout: /"_default_\.limit\.memory":"96m?"/,
  })

  // What a one-off command gets is what counts for every process, and for the phase run.
  t.match(await box.ssh(`run shop sh -c 'grep -c "/scratch tmpfs" /proc/mounts; ulimit -n'`), {
    code: 0,
    stdout: /^1\n(?!1234)\d+\n$/,
  })
  t.match(await box.ssh(`run shop perl -e 'my $x = "x" x (200 << 20); print length $x'`), { code: 137 })
  t.match(await box.get('shop.localhost'), { status: 200 })

  const before = await web()
  for (const line of ['resource:limit-clear shop', 'docker-options:clear shop deploy'])
    t.match(await box.ssh(line), { code: 0 })
  t.equal(await web(), before, 'a setting alone restarts nothing')
  t.match(await box.ssh('ps:restart shop'), { code: 0 })
  const after = (await box.containers()).find(each => each.includes('shop.web.') && each !== before)!
  t.notMatch(await look(after), new RegExp(`${96 << 20}|1234|\n1\n`))
  t.match(await box.get('shop.localhost'), { status: 200 })
})

async function inside({ engine }: Sandbox, container: string, script: string): Promise<string> {
  const stdout = new PassThrough()
  const said = text(stdout)
  const { done } = await engine.exec(container, ['sh', '-c', script], {
    ...{ stdout, stderr: new PassThrough().resume() },
    signal: AbortSignal.timeout(20_000),
  })
  await done
  stdout.end()
  return said
}
