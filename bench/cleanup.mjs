/** What has to be undone at the end, whatever happened; the last thing made goes first. */
export class Cleanup {
  #steps = [];
  #running;

  /** `undo` may be called once, and may return a promise. What an interrupted run still makes is undone at once. */
  add(what, undo) {
    if (this.#running) void attempt({ what, undo });
    else this.#steps.push({ what, undo });
  }

  /** Undoes everything; a step that fails is told and does not stop the others. */
  run() {
    this.#running ??= this.#undoAll();
    return this.#running;
  }

  async #undoAll() {
    for (const step of this.#steps.reverse()) await attempt(step);
  }
}

async function attempt({ what, undo }) {
  try {
    await undo();
  } catch (error) {
    console.error(`${what} could not be cleaned up: ${error.message}`);
  }
}
