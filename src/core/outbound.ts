import { UserError } from '../errors.ts'
import { mail } from '../mail.ts'
import type { Core } from '../plugin/core.ts'
import { requestTo } from '../request.ts'
import type { Rooms } from './rooms.ts'

export function createOutboundView({ reach }: Pick<Rooms, 'reach'>): Core['outbound'] {
  return {
    async request(url, request) {
      if (!URL.canParse(url)) throw new UserError('bad-url', 'That is no URL.', 'It begins with https://')
      return requestTo(await reach(new URL(url), request), request)
    },
    async mail(server, letter, { signal }) {
      const [, host, port] = /^(\[[0-9a-f:]+\]|[a-z0-9.-]+):(\d{1,5})$/i.exec(server.server) ?? []
      if (!host || !URL.canParse(`https://${server.server}`))
        throw new UserError('bad-server', `${server.server} is no mail server.`, 'Give HOST:PORT.')
      // Who is asked is found the same way as for a URL.
      const destination = await reach(new URL(`https://${host}`), { signal })
      await mail(letter, server, { ...destination, port: Number(port) })
    },
  }
}
