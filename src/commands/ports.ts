import { isPort, mappingText, readMapping, sameMapping } from '../core/port-map.ts'
import { UserError } from '../errors.ts'
import { appName, choice, many, one, option } from '../plugin/args.ts'
import { type CommandContext, defineCommand } from '../plugin/command.ts'
import { defineReport, type Topic } from '../plugin/property.ts'
import type { AppName, PortMapping } from '../types.ts'
import { tableOf } from './table.ts'

export const about = 'Manage which ports of the host lead to which ports of an app'

const mapping = one('SCHEME:HOST:CONTAINER', 'http:80:5000; http, https, grpc, grpcs, ws, tcp', readMapping)

/** Either a whole mapping, or all that a port of the host leads to: `8080`, `http:8080`. */
const which = one('HOST|SCHEME:HOST:CONTAINER', 'A port of the host, or a whole mapping', word => {
  const [, scheme, host] = /^(?:([a-z]+):)?(\d{1,5})$/.exec(word) ?? []
  if (host === undefined || !isPort(Number(host))) {
    const whole = readMapping(word)
    return (each: PortMapping) => sameMapping(each, whole)
  }
  return (each: PortMapping) => each.host === Number(host) && (scheme === undefined || each.scheme === scheme)
})

const topic: Topic = {
  name: 'ports',
  facts: (app, core) => ({
    map: core.properties.get('ports', app, 'map') ?? '',
    'map-detected': core.ports.detected(app).map(mappingText).join(' '),
  }),
}

export const commands = [
  defineCommand({
    name: 'ports:list',
    about: 'List the ports that lead to an app',
    reads: true,
    args: { app: appName(), format: option('format', choice('stdout', 'json'), { about: 'stdout or json' }) },
    run({ app, format }, { core, out }) {
      const mappings = core.ports.of(core.apps.get(app).name)
      if (format === 'json') return out(JSON.stringify(mappings.map(toJson)))
      out.step(`Port mappings for ${app}`)
      const rows = mappings.map(each => [each.scheme, String(each.host), String(each.container)])
      const [heading, ...lines] = tableOf([['scheme', 'host port', 'container port'], ...rows])
      out.step(heading!)
      for (const line of lines) out.detail(line)
    },
  }),

  defineCommand({
    name: 'ports:add',
    about: 'Lead more ports to an app; where HTTP leads to another port, new containers come first',
    args: { app: appName(), mappings: many(mapping) },
    async run({ app, mappings }, context) {
      const there = context.core.ports.of(context.core.apps.get(app).name)
      const rest = there.filter(each => !mappings.some(added => added.host === each.host))
      await set(app, [...rest, ...mappings], context)
    },
  }),

  defineCommand({
    name: 'ports:set',
    about: 'Lead exactly these ports to an app',
    args: { app: appName(), mappings: many(mapping) },
    async run({ app, mappings }, context) {
      context.core.apps.get(app)
      await set(app, mappings, context)
    },
  }),

  defineCommand({
    name: 'ports:remove',
    about: 'Lead ports to an app no longer',
    args: { app: appName(), which: many(which) },
    async run({ app, which }, context) {
      const there = context.core.ports.of(context.core.apps.get(app).name)
      const rest = there.filter(each => !which.some(gone => gone(each)))
      if (rest.length === there.length)
        throw new UserError('no-port', `${app} has no such port.`, `See: ports:list ${app}`)
      if (rest.length === 0)
        throw new UserError(
          'last-port',
          `That is all that leads to ${app}.`,
          `Take it off the web with: proxy:disable ${app}. Go back to what its image says: ports:clear ${app}`,
        )
      await set(app, rest, context)
    },
  }),

  defineCommand({
    name: 'ports:clear',
    about: 'Go back to what the image says',
    args: { app: appName() },
    async run({ app }, context) {
      context.core.apps.get(app)
      await set(app, undefined, context)
    },
  }),

  defineReport(topic),
]

async function set(
  app: AppName,
  mappings: readonly PortMapping[] | undefined,
  context: CommandContext,
): Promise<void> {
  const { core, out } = context
  await core.ports.set(app, mappings, context)
  out(`Ports of ${app}: ${core.ports.of(app).map(mappingText).join(' ')}`)
}

function toJson({ scheme, host, container }: PortMapping) {
  return { scheme, host_port: host, container_port: container }
}
