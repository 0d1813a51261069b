import { setTimeout as sleep } from 'node:timers/promises';

const ASK_AGAIN_MS = 200;

interface Running {
  state: 'running';
  /** For people: what is being done. */
  sentence: string;
}

/** Asks until it has an end; each thing that is being done is told once. */
export async function untilEnded<T extends { state: string }>(
  ask: () => Promise<T | Running>,
): Promise<Exclude<T, { state: 'running' }>> {
  let told = '';
  for (;;) {
    const answer = await ask();
    if (!isRunning(answer)) return answer as Exclude<T, { state: 'running' }>;
    if (answer.sentence !== told) process.stderr.write(`${answer.sentence}\n`);
    told = answer.sentence;
    await sleep(ASK_AGAIN_MS);
  }
}

function isRunning(answer: { state: string }): answer is Running {
  return answer.state === 'running';
}
