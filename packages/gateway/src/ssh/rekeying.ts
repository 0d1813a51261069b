/** Keys are changed after this many bytes of channel data (RFC 4253, 9, and the limits of AES-GCM) … */
const REKEY_BYTES = 1024 ** 3;
/** … or this long after the last change, in milliseconds. */
const REKEY_MS = 3_600_000;
/** A key exchange must be over within this time, in milliseconds. */
const FINISH_MS = 30_000;
/** Each exchange costs us milliseconds of CPU: this many in a row, close together and with hardly any data, are an attack. */
const STORM = 20;
const STORM_BYTES = 1024 * 1024;
const STORM_MS = 60_000;

export interface RekeyActions {
  start(): void;
  /** True while a key exchange runs. */
  running(): boolean;
  cut(reason: 'rekey-storm' | 'rekey-stalled'): void;
}

/** Decides when keys are exchanged again on one connection, and cuts peers that abuse it. ssh2 does neither. */
export class Rekeying {
  #bytes = 0;
  #needless = 0;
  #last = Number.NEGATIVE_INFINITY;
  #deadline: NodeJS.Timeout | undefined;
  #hourly: NodeJS.Timeout | undefined;

  constructor(private readonly actions: RekeyActions) {}

  /** Counts channel data in either direction. */
  moved(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= REKEY_BYTES) this.#start();
  }

  /** Notices a key exchange that has begun; to be called after each read. */
  watch(): void {
    if (this.#deadline || !this.actions.running()) return;
    this.#deadline = setTimeout(() => this.actions.cut('rekey-stalled'), FINISH_MS);
  }

  /** A key exchange is complete, the first one included. */
  finished(): void {
    const now = performance.now();
    const needless = this.#bytes < STORM_BYTES && now - this.#last < STORM_MS;
    this.#needless = needless ? this.#needless + 1 : 0;
    this.#last = now;
    this.#bytes = 0;
    this.stop();
    this.#hourly = setTimeout(() => this.#start(), REKEY_MS);
    if (this.#needless > STORM) this.actions.cut('rekey-storm');
  }

  stop(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#hourly);
    this.#deadline = undefined;
  }

  #start(): void {
    if (this.actions.running()) return;
    this.#bytes = 0;
    this.actions.start();
    this.watch();
  }
}
