import type { EdgeOptions } from '../edge/wire.ts'
import { readNetworks } from '../plugin/networks.ts'
import type { Store } from '../store/store.ts'
import type { AppName, Route, RouteLimits } from '../types.ts'
import { bytesOf, msOf, rateOf, switchOf } from './proxy-values.ts'

/** Where people's settings of the proxy are kept, under whichever of its names they were set. */
export const proxyTopic = 'proxy'

type Settings = Pick<Store, 'properties'>

/** What people set of an app's route, the app's own over the host's. The proxy has its own defaults for what is not set. */
export function settingsOf(app: AppName, { properties }: Settings): Partial<Route> {
  const read = <T>(key: string, as: (text: string) => T): T | undefined => {
    const text = properties.get(proxyTopic, app, key) ?? properties.get(proxyTopic, undefined, key)
    return text === undefined ? undefined : as(text)
  }
  const listed = (text: string) => Object.fromEntries(readNetworks(text).map(each => [each, true as const]))
  const limits = present<RouteLimits>({
    bodyBytes: read('client-max-body-size', bytesOf),
    bodyIdleMs: longer(read('client-body-timeout', msOf), read('send-timeout', msOf)),
    connectMs: read('proxy-connect-timeout', msOf),
    answerMs: longer(read('proxy-read-timeout', msOf), read('proxy-send-timeout', msOf)),
    idleMs: read('proxy-read-timeout', msOf),
    perUpstream: read('upstream-requests', Number),
    queue: read('queue-length', Number),
    queueMs: read('queue-timeout', msOf),
  })
  const lists = present<NonNullable<Route['lists']>>({
    allow: read('allow', listed),
    deny: read('deny', listed),
  })
  return present<Partial<Route>>({
    limits,
    lists,
    rate: read('rate-limit', rateOf),
    compress: read('compress', switchOf),
    sticky: read('sticky', switchOf),
    https: {
      redirect: read('https-redirect', switchOf) ?? true,
      ...(present({ hsts: hstsOf(read) }) ?? {}),
    },
    log:
      read('access-log-path', String) === 'off' ? 'off' : (read('access-log-format', String) as Route['log']),
  })!
}

/** What people set for the whole instance. */
export function optionsOf({ properties }: Settings): EdgeOptions {
  const read = (key: string) => properties.get(proxyTopic, undefined, key)
  const trusted = read('trusted-proxies')
  return {
    trustedProxies: trusted === undefined ? [] : readNetworks(trusted),
    proxyProtocol: switchOf(read('proxy-protocol') ?? 'off'),
  }
}

/** The domains of an app that is not to be reached by the proxy lead nowhere. */
export function isOffProxy(app: AppName, { properties }: Settings): boolean {
  return properties.get(proxyTopic, app, 'disabled') === 'true'
}

/** What browsers remember where there is a certificate. As Dokku has it, but names below may be another app's, or nobody's with a certificate. */
function hstsOf(
  read: <T>(key: string, as: (text: string) => T) => T | undefined,
): NonNullable<Route['https']>['hsts'] {
  if (read('hsts', switchOf) === false) return undefined
  return {
    maxAge: read('hsts-max-age', Number) ?? 15_724_800,
    includeSubdomains: read('hsts-include-subdomains', switchOf) ?? false,
    preload: read('hsts-preload', switchOf) ?? false,
  }
}

function longer(...times: readonly (number | undefined)[]): number | undefined {
  const set = times.filter(each => each !== undefined)
  return set.length > 0 ? Math.max(...set) : undefined
}

/** Without what is not set; undefined where nothing is. */
function present<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T | undefined {
  const set = Object.entries(values).filter(([, value]) => value !== undefined)
  return set.length > 0 ? (Object.fromEntries(set) as T) : undefined
}
