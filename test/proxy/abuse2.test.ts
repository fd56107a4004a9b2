import { t } from 'tap'

import { flag, frame, get, headers, type, wire } from './frames2.ts'
import { bareBackend, routeTo, secureStage } from './stage.ts'

/** What a client of HTTP/2 may do to cost more than it has paid for. */

t.test('a client that says goodbye, calls off its last request and stays is not kept', async t => {
  const app = await bareBackend(t, () => undefined)
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  client.say(headers(1, get, flag.endStream), frame(type.goaway, 0, 0, Buffer.alloc(8)))
  await client.hears(({ kind }) => kind === type.goaway)
  client.say(frame(type.reset, 0, 1, Buffer.of(0, 0, 0, 8)))
  t.equal(await client.closed, 'closed')
})
