import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Runs a program to its end and returns what it printed; throws with its last line of error unless it ends with 0. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with ${signal ?? code}: ${errors.trim().split('\n').at(-1)}`));
    });
  });
}

/** Ends a child of ours with that signal, with SIGKILL after a minute, and resolves when it is gone. */
export async function end(child, signal = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const killer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  await gone;
  clearTimeout(killer);
}

/** Asks until the answer is truthy, and returns it; throws after `seconds`. */
export async function until(what, look, { seconds = 120, everyMs = 25 } = {}) {
  const limit = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await look();
    if (answer) return answer;
    if (Date.now() > limit) throw new Error(`waited ${seconds} seconds for ${what}`);
    await sleep(everyMs);
  }
}

/** A TCP port that is free at this moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

export function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => socket.destroy());
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
}
