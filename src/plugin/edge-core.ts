import type { AppMetrics, AppName, Call, PortMapping, Route } from '../types.ts'
import type { CertificateFacts, TrafficForm, TrafficOptions } from './terms.ts'

/** What may be asked of all that stands in front of an app. */
export interface EdgeCore {
  readonly domains: {
    /** All hostnames that lead to the app, the default ones first. */
    of(app: AppName): readonly string[]
    /** Hostnames more for the app. Answers which were new. UserError `domain-taken`. */
    add(app: AppName, hostnames: readonly string[], call: Call): Promise<readonly string[]>
    /** Hostnames that lead there no more. Answers which were there. */
    remove(app: AppName, hostnames: readonly string[], call: Call): Promise<readonly string[]>
    /** The domains that apps' names are put before. */
    global(): readonly string[]
    /** In place of those; apps' default hostnames follow. */
    setGlobal(hostnames: readonly string[], call: Call): Promise<void>
    /** Where a person finds the app: its hostnames as URLs, none while nothing leads there. */
    urls(app: AppName): readonly string[]
  }
  readonly certificates: {
    /**
     * In place of the app's own; checked, kept sealed, and in force at once. Answers what it says of itself, and what a person ought to know.
     * UserErrors `bad-certificate`, `bad-key`, `key-encrypted`, `key-weak`, `key-differs`.
     */
    add(
      app: AppName,
      pair: { readonly chain: string; readonly key: string },
      call: Call,
    ): Promise<CertificateFacts & { readonly warnings: readonly string[] }>
    /** One that vouches for itself. UserError `certificate-there` when the app has its own. */
    generate(
      app: AppName,
      hostname: string,
      call: Call,
    ): Promise<CertificateFacts & { readonly warnings: readonly string[] }>
    /** Takes the app's own away. UserError `certificate-missing`. */
    remove(app: AppName, call: Call): Promise<void>
    /** What was added for the app, in PEM form. UserError `certificate-missing`. */
    own(app: AppName): { readonly chain: string; readonly key: string }
    /** What is shown for the app's hostnames: its own, and what plugins found. */
    inForce(app: AppName): readonly (CertificateFacts & { readonly serves: readonly string[] })[]
  }
  readonly ports: {
    /** The app's mappings in force: as set, else as detected. */
    of(app: AppName): readonly PortMapping[]
    /** What the live release's image says. */
    detected(app: AppName): readonly PortMapping[]
    /** In place of what was set; undefined: as detected. UserErrors `bad-port`, `port-taken`; what cannot come about is not kept. */
    set(app: AppName, mappings: readonly PortMapping[] | undefined, call: Call): Promise<void>
  }
  readonly routes: {
    /** The app's route as it would be told to the proxy now: properties, then what plugins shape. */
    get(app: AppName, call: Call): Promise<Route>
    /**
     * Tells the proxy what `shapeRoute` makes of the app's route now, or of every app's. In force in all workers when it settles; no container
     * is touched. For a plugin whose values have changed.
     */
    refresh(app: AppName | undefined, call: Call): Promise<void>
    /** What is wrong with the app's route as it would be told now. */
    fault(app: AppName, call: Call): Promise<string | undefined>
  }
  readonly traffic: {
    /**
     * Lines of what the proxy wrote down, oldest first; undefined: of requests that reached no app. With `follow` it goes on, also where
     * the app gets another name, until the signal or the app's end.
     */
    log(app: AppName | undefined, form: TrafficForm, options: TrafficOptions): AsyncIterable<string>
    /** What an app, or each, was asked lately. An app that was asked nothing is not among them. */
    metrics(app: AppName | undefined): Promise<readonly AppMetrics[]>
    /** The proxy's program as it is installed now takes the place of the running one. Answers their processes. UserError `upgrade-failed`. */
    upgrade(): Promise<{ readonly was: number; readonly pid: number }>
  }
}
