import { once } from 'node:events'

import * as grpc from '@grpc/grpc-js'
import t from 'tap'

import { asked, Client, heard } from '../proxy/calls.ts'
import { freePort, sandbox } from './sandbox.ts'

async function hello(client: InstanceType<typeof Client>): Promise<string> {
  const { details, messages } = await asked(client, 'Once', Buffer.from('hello'))
  return String(messages[0] ?? details)
}

t.test('an app of gRPC is pushed, gets a port of its own, and is replaced while a call goes on', async t => {
  const box = await sandbox(t)
  await box.ssh('apps:create calls')
  const app = await box.checkout('node-grpc', 'calls')
  const pushed = await app.push()
  t.equal(pushed.code, 0, pushed.text)
  t.notMatch(pushed.text, /speaks no HTTP/)
  const port = await freePort()
  t.match(await box.ssh(`ports:add calls grpc:${port}:5000`), {
    code: 0,
    stdout: `Ports of calls: http:80:5000 grpc:${port}:5000\n`,
  })
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
  })
  t.teardown(() => client.close())
  t.equal(await hello(client), 'hello (first)')

  const chat: grpc.ClientDuplexStream<Buffer, Buffer> = client.Chat!()
  const over = heard(chat)
  const says = async (word: string) => {
    chat.write(Buffer.from(word))
    return String((await once(chat, 'data'))[0])
  }
  t.equal(await says('one'), 'one (first)')
  t.match(await box.ssh('config:set calls WHICH=second'), { code: 0 })
  t.equal(await hello(client), 'hello (second)')
  t.equal(await says('two'), 'two (first)', 'a call under way stays where it is')
  chat.end()
  t.match(await over, { code: grpc.status.OK })

  t.match(await box.ssh('ports:set calls grpc:80:5000'), { code: 0 })
  const byName = new Client(`127.0.0.1:${box.httpPort}`, grpc.credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
    'grpc.default_authority': 'calls.localhost',
  })
  t.teardown(() => byName.close())
  t.equal(await hello(byName), 'hello (second)')
})
