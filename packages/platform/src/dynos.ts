import { randomUUID } from 'node:crypto';

/** A dyno that is not reported again within this time is gone. */
export const DYNO_LIFE_MS = 90_000;

export interface Dyno {
  id: string;
  appId: string;
  name: string;
  type: string;
  command: string;
  state: string;
  createdAt: number;
  updatedAt: number;
  seenAt: number;
  /** Set until it is next reported, when its app was released or restarted. */
  restart: boolean;
}

/** The local dynos that run now. They live in memory: whoever runs one keeps reporting it. */
export class Dynos {
  readonly #dynos = new Map<string, Dyno>();
  readonly #now: () => number;
  readonly #onRestart: (dyno: Dyno) => void;

  constructor(now: () => number, onRestart: (dyno: Dyno) => void) {
    this.#now = now;
    this.#onRestart = onRestart;
  }

  list(appId: string): Dyno[] {
    const oldest = this.#now() - DYNO_LIFE_MS;
    for (const [key, dyno] of this.#dynos) if (dyno.seenAt < oldest) this.#dynos.delete(key);
    return [...this.#dynos.values()].filter((dyno) => dyno.appId === appId);
  }

  /** Reports a dyno; the answer tells whether it is to be restarted, once. */
  report(appId: string, name: string, facts: { type: string; command: string; state: string }): Dyno {
    const now = this.#now();
    const old = this.list(appId).find((dyno) => dyno.name === name);
    const changed = old?.state !== facts.state;
    const dyno: Dyno = {
      id: old?.id ?? randomUUID(),
      appId,
      name,
      ...facts,
      createdAt: old?.createdAt ?? now,
      updatedAt: changed ? now : old.updatedAt,
      seenAt: now,
      restart: false,
    };
    this.#dynos.set(`${appId} ${name}`, dyno);
    return { ...dyno, restart: old?.restart ?? false };
  }

  remove(appId: string, name: string): Dyno | null {
    const dyno = this.list(appId).find((one) => one.name === name) ?? null;
    this.#dynos.delete(`${appId} ${name}`);
    return dyno;
  }

  /** Asks the dynos of an app (of that name or type, else all) to restart; gives those that were asked. */
  restart(appId: string, nameOrType?: string): Dyno[] {
    const asked = this.list(appId).filter(
      (dyno) => nameOrType === undefined || dyno.name === nameOrType || dyno.type === nameOrType,
    );
    for (const dyno of asked) {
      dyno.restart = true;
      this.#onRestart(dyno);
    }
    return asked;
  }
}
