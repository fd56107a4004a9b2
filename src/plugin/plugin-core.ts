import type { Told } from '../event.ts'
import type { Letter, MailServer } from '../mail.ts'
import type { OutboundAnswer, OutboundRequest } from '../request.ts'
import type { AppName, Call } from '../types.ts'
import type { PluginServices } from './services.ts'
import type { JobInfo } from './terms.ts'

/** What is there for plugins above all. Each has a core of its own, which knows who asks. */
export interface PluginCore {
  readonly jobs: {
    /** What is done by the clock, of all plugins. */
    list(): readonly JobInfo[]
    /** Runs it now. Throws what the job throws. UserErrors `job-missing`, `job-running`. */
    run(plugin: string, name: string, call: Call): Promise<void>
    /** Five fields of cron, answered as they are kept. UserError `bad-schedule`. */
    readSchedule(schedule: string): string
    /** This plugin's `jobs` are others than before: they are asked for again. */
    changed(): void
  }
  readonly services: PluginServices
  /** A folder of the plugin's own that the proxy reads: what its `mounts` of files lie in. */
  served(): string
  readonly outbound: {
    /**
     * One request to where somebody else's word leads: https anywhere on the public internet; networks that an admin allowed, http too. No
     * redirection is followed. UserErrors `bad-url`, `url-scheme`, `url-local`, `url-plain`, `no-address`.
     */
    request(url: string, request: OutboundRequest): Promise<OutboundAnswer>
    /** A letter by way of that server. Throws what the server says. UserErrors as for a request, and `bad-server`. */
    mail(server: MailServer, letter: Letter, options: { readonly signal: AbortSignal }): Promise<void>
  }
  readonly events: {
    /**
     * Tells all who listen to `afterEvent`, and the log; nobody waits for them. The kind of a plugin's own begins with the plugin's name:
     * `letsencrypt:renewed`.
     */
    tell(event: Told): void
  }
  /**
   * From now on the app cannot do without this plugin: while it is off the app is not released, its route stays as the proxy has it, and
   * the plugin cannot be uninstalled.
   */
  depend(app: AppName): void
  /** It can do without this plugin again. */
  undepend(app: AppName): void
  /**
   * New containers for the app where what it gets has changed, once the command, job or hook that asks is over; several asks make one
   * rollout. The reason is listed, as `postgres:link db`. UserError `inside-change` from within a rollout.
   */
  redeploy(app: AppName, reason: string): void
}
