/** A pause that can be cut short. A wake-up that comes while nobody waits ends the next pause at once: none is lost. */
export class Wake {
  #pending = false;
  #end: (() => void) | null = null;

  now(): void {
    this.#pending = true;
    this.#end?.();
  }

  async wait(milliseconds: number): Promise<void> {
    if (!this.#pending) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.#end = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#end = null;
    this.#pending = false;
  }
}
