import {
  type AnnouncedMajorUpgrade,
  announcedMajorUpgrade,
  backupReceipt,
  type ChangeQuery,
  type ChangeSearch,
  changeSearch,
  type EventType,
  formatEvent,
  type MaintenanceWindow,
  type MaintenanceWindowAnswer,
  type MajorRevertRequest,
  type MajorUpgrade,
  type MinorUpgrade,
  type MinorUpgradeRequest,
  maintenanceWindowAnswer,
  majorUpgrade,
  minorUpgrade,
  type ReleaseOverview,
  releaseOverview,
  restoreToken,
} from '@borealis/contract';
import { z } from 'zod';
import { Failure } from './failure.js';

const addons = z.array(
  z.looseObject({
    ...{ id: z.string(), name: z.string(), clusterId: z.string(), status: z.string() },
    ...{ plan: z.string(), postgresMajor: z.string() },
    sentence: z.string().nullable(),
  }),
);
export type OperatorAddon = z.infer<typeof addons>[number];
const gatewayUpgrade = z.object({ draining: z.array(z.object({ tunnels: z.number(), until: z.string() })) });
export type GatewayUpgrade = z.infer<typeof gatewayUpgrade>;
const events = z.looseObject({
  events: z.array(
    z.looseObject({
      at: z.string(),
      addonName: z.string().nullable(),
      type: z.string(),
      attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    }),
  ),
  cursor: z.string().nullable(),
});

const backups = z.array(
  backupReceipt.extend({ addonId: z.string(), addonName: z.string(), clusterId: z.string(), database: z.string() }),
);
export type OperatorBackup = z.infer<typeof backups>[number];

const failoverOutcome = z.object({
  milliseconds: z.number(),
  kept: z.number().nullable(),
  closed: z.number().nullable(),
});

/** The service's operator surface, as `borealis` uses it. */
export class OperatorClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async #get(path: string, signal?: AbortSignal): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      headers: { authorization: `Bearer ${this.#token}` },
      ...(signal ? { signal } : {}),
    });
    if (!response.ok) throw new Error(`the service answered ${response.status}`);
    return response.json();
  }

  /** What is going on for one add-on, as a sentence; null when nothing is or the service does not answer. */
  async sentence(addonId: string): Promise<string | null> {
    try {
      const all = await this.addons();
      return all.find((addon) => addon.id === addonId)?.sentence ?? null;
    } catch {
      return null;
    }
  }

  /** Renews the credentials of the app of an add-on, given by name or id; throws a `Failure` with the service's reason. */
  async rotate(nameOrId: string): Promise<void> {
    await this.#post(`/operator/addons/${await this.#idOf(nameOrId)}/rotate`);
  }

  /** All backups of all add-ons, of each add-on the newest first. */
  async backups(): Promise<OperatorBackup[]> {
    return backups.parse(await this.#get('/operator/backups'));
  }

  /** Asks for a backup of now; returns its name. Throws a `Failure` with the service's reason. */
  async backUp(nameOrId: string): Promise<string> {
    const answer = await this.#post(`/operator/addons/${await this.#idOf(nameOrId)}/backups`);
    return z.object({ name: z.string() }).parse(answer).name;
  }

  /** Asks to prove a backup again; throws a `Failure` with the service's reason. */
  async proveBackup(nameOrId: string, backup: string): Promise<void> {
    await this.#post(`/operator/addons/${await this.#idOf(nameOrId)}/backups/${encodeURIComponent(backup)}/prove`);
  }

  /** Asks once for what took rows away, or how far the search has come; throws a `Failure` with the service's reason. */
  async findChanges(addonId: string, query: ChangeQuery): Promise<ChangeSearch> {
    return changeSearch.parse(await this.#post(`/operator/addons/${addonId}/changes`, query));
  }

  /** Asks once for another minor release, or how far that has come; throws a `Failure` with the service's reason. */
  async upgradeMinor(addonId: string, wanted: MinorUpgradeRequest): Promise<MinorUpgrade> {
    return minorUpgrade.parse(await this.#post(`/operator/addons/${addonId}/minor-upgrade`, wanted));
  }

  /** What releases there are, and what runs where. Throws when the service does not answer. */
  async releases(): Promise<ReleaseOverview> {
    return releaseOverview.parse(await this.#get('/operator/releases'));
  }

  /** Forgets why a release is refused; throws a `Failure` with the service's reason. */
  async allowRelease(version: string): Promise<void> {
    await this.#post(`/operator/releases/${encodeURIComponent(version)}/allow`);
  }

  /** When an add-on gets new minor releases, after it was chosen anew (null: the usual). Throws a `Failure` with the service's reason. */
  async maintenanceWindow(addonId: string, wanted?: MaintenanceWindow | null): Promise<MaintenanceWindowAnswer> {
    const path = `/operator/addons/${addonId}/maintenance-window`;
    if (wanted === undefined) return maintenanceWindowAnswer.parse(await this.#get(path));
    return maintenanceWindowAnswer.parse(
      await this.#send(wanted === null ? 'DELETE' : 'PUT', path, wanted ?? undefined),
    );
  }

  /** Asks once for the way back from the last major upgrade, or how far that has come; throws a `Failure` with the service's reason. */
  async revertMajorUpgrade(addonId: string, wanted: MajorRevertRequest): Promise<MajorUpgrade> {
    return majorUpgrade.parse(await this.#post(`/operator/addons/${addonId}/upgrade-revert`, wanted));
  }

  /** Announces the major upgrade of a shared cluster; throws a `Failure` with the service's reason. */
  async announceMajorUpgrade(clusterId: string, major: string, inSeconds: number): Promise<AnnouncedMajorUpgrade> {
    const answer = await this.#post(`/operator/clusters/${clusterId}/major-upgrade`, { major, inSeconds });
    return announcedMajorUpgrade.parse(answer);
  }

  /** Takes such an announcement back, or gives the upgrade up; throws a `Failure` with the service's reason. */
  async cancelMajorUpgrade(clusterId: string): Promise<void> {
    await this.#send('DELETE', `/operator/clusters/${clusterId}/major-upgrade`);
  }

  /** Has a standby take the primary's place, and waits; throws a `Failure` with the service's reason. */
  async failOver(addonId: string, how: 'planned' | 'crash'): Promise<z.infer<typeof failoverOutcome>> {
    return failoverOutcome.parse(await this.#post(`/operator/addons/${addonId}/failover`, { how }));
  }

  /** A token with which a new add-on is made from that backup; throws a `Failure` with the service's reason. */
  async importToken(backup: string): Promise<string> {
    const answer = await this.#post(`/operator/backups/${encodeURIComponent(backup)}/restore-tokens`);
    return restoreToken.parse(answer).restoreToken;
  }

  /** Every add-on, the oldest first. */
  async addons(): Promise<OperatorAddon[]> {
    return addons.parse(await this.#get('/operator/addons'));
  }

  /** Replaces the gateway of an add-on's cluster; resolves when the new one has taken over. Throws a `Failure` with the service's reason. */
  async upgradeGateway(addonId: string): Promise<GatewayUpgrade> {
    return gatewayUpgrade.parse(await this.#post(`/operator/addons/${addonId}/upgrade-gateway`));
  }

  /** The add-on of that name or id; throws a `Failure` unless there is one. */
  async find(nameOrId: string): Promise<OperatorAddon> {
    const all = await this.addons();
    const found = all.filter(({ id, name }) => id === nameOrId || name === nameOrId);
    if (found.length === 1) return found[0]!;
    throw new Failure(
      found.length === 0
        ? `There is no add-on "${nameOrId}".`
        : `Several add-ons are named "${nameOrId}": give the id of one, ${found.map(({ id }) => id).join(' or ')}.`,
    );
  }

  async #idOf(nameOrId: string): Promise<string> {
    return (await this.find(nameOrId)).id;
  }

  #post(path: string, body?: object): Promise<unknown> {
    return this.#send('POST', path, body);
  }

  async #send(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json().catch(() => null);
    if (!response.ok)
      throw new Failure((answer as { message: string } | null)?.message ?? `The service answered ${response.status}.`);
    return answer;
  }

  /** Events after the cursor as lines (null: from now on); waits up to 20 seconds for the first. */
  async events(cursor: string | null, signal: AbortSignal): Promise<{ lines: string[]; cursor: string | null }> {
    const after = cursor ? `&after=${encodeURIComponent(cursor)}` : '';
    const answer = events.parse(await this.#get(`/operator/events?wait=20${after}`, signal));
    const lines = answer.events.map(
      ({ at, addonName, type, attributes }) =>
        `${at} ${formatEvent(addonName ?? 'borealis', type as EventType, attributes)}`,
    );
    return { lines, cursor: answer.cursor };
  }
}
