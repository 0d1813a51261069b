import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { makeSshKeyPair } from '@borealis/contract';
import ssh2 from 'ssh2';
import { Random } from './random.js';
import { ATTACKS, FUZZ_USER } from './ssh-attacks.js';

// Throws broken input at the SSH door of a real gateway process. Exits 1 when that died, leaked file descriptors or
// grew. The same --seed gives the same attacks.

const AT_ONCE = 16;
/** What the process may keep after thousands of attacks, in MiB: heap that is not collected yet, warm code. */
const GROWTH_MIB = 100;
const SETTLE_MS = 30_000;

const { values } = parseArgs({ options: { seed: { type: 'string' }, runs: { type: 'string' } } });
const seed = Number(values.seed ?? 1);
const runs = Number(values.runs ?? 3000);

const directory = mkdtempSync(path.join(os.tmpdir(), 'bfz-'));
const gateway = await start();
try {
  const failures = await fuzz(gateway);
  for (const failure of failures) console.error(`FAILED: ${failure} (--seed ${seed} --runs ${runs})`);
  process.exitCode = failures.length > 0 ? 1 : 0;
} finally {
  gateway.child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
}

async function fuzz({ child, port, log }: Running): Promise<string[]> {
  const fds = openFiles(child) + 1; // the event file is open from the first login on
  await volley(new Random(seed ^ 0x5eed), port, Math.min(200, runs)); // warm up: code and pools that stay
  const before = { fds, rss: residentMib(child) };
  const counts = await volley(new Random(seed), port, runs);
  await settled(child, before.fds);
  const after = { fds: openFiles(child), rss: residentMib(child) };
  console.log(
    `ssh-door: seed ${seed}, ${runs} connections: ${[...counts].map(([name, n]) => `${n} ${name}`).join(', ')}`,
  );
  console.log(`ssh-door: ${before.rss} -> ${after.rss} MiB, ${before.fds} -> ${after.fds} file descriptors`);
  const failures: string[] = [];
  if (child.exitCode !== null || child.signalCode !== null) failures.push(`the gateway died: ${log.at(-1)}`);
  else if (!(await answers(port))) failures.push('the gateway serves nobody any more');
  if (after.fds > before.fds) failures.push(`${after.fds - before.fds} file descriptors leaked`);
  if (after.rss - before.rss > GROWTH_MIB) failures.push(`it grew by ${after.rss - before.rss} MiB`);
  return failures;
}

/** Runs attacks, several at a time; every attack has a generator of its own, so order does not matter. */
async function volley(random: Random, port: number, count: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const bag = ATTACKS.flatMap(([name, weight, attack]) => Array.from({ length: weight }, () => ({ name, attack })));
  let left = count;
  const worker = async () => {
    while (left-- > 0) {
      const { name, attack } = random.pick(bag);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      await attack(new Random(random.int(2 ** 31)), port);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return counts;
}

interface Running {
  child: ChildProcess;
  port: number;
  log: string[];
}

async function start(): Promise<Running> {
  const user = makeSshKeyPair();
  FUZZ_USER.privateKey = user.privateKey.reveal();
  const tunnelUser = {
    username: 'fuzz',
    kind: 'app',
    label: 'fuzz',
    publicKeys: [user.publicKey],
    database: 'app',
    roles: [],
  };
  const config = {
    clusterId: 'c1fuzz',
    revision: 1,
    tenancy: 'isolated',
    listen: { host: '127.0.0.1', port: 0 },
    hosts: { primary: 'primary.test', replica: 'replica.test', port: 5432 },
    generation: 1,
    primary: { socketDirectory: directory, port: 5432 },
    replica: null,
    backendAuth: { method: 'peer' },
    sshHostKeys: [makeSshKeyPair().privateKey.reveal()],
    tls: { certificate: '', privateKey: '' },
    mockSecret: '',
    tunnelUsers: [{ ...tunnelUser, validUntil: null }],
    roles: [],
    limits: { banAfterFailures: 1_000_000, loginGraceSeconds: 10 },
  };
  writeFileSync(path.join(directory, 'gateway.json'), JSON.stringify(config), { mode: 0o600 });
  const entry = path.join(import.meta.dirname, 'echo-gateway.js');
  const child = spawn(process.execPath, [entry, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  return { child, ...(await listening(child)) };
}

async function listening(child: ChildProcess): Promise<Pick<Running, 'port' | 'log'>> {
  const log: string[] = [];
  const lines = createInterface({ input: child.stdout! });
  lines.on('line', (line) => log.push(line) > 100 && log.shift());
  for (;;) {
    const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit')])) as [unknown];
    const port = (JSON.parse(String(line)) as { address?: { port?: number } } | null)?.address?.port;
    if (port) return { port, log };
    if (child.exitCode !== null) throw new Error(`The gateway did not start: ${log.at(-1)}`);
  }
}

function openFiles(child: ChildProcess): number {
  const folder = `/proc/${child.pid}/fd`;
  return existsSync(folder) ? readdirSync(folder).length : 0;
}

function residentMib(child: ChildProcess): number {
  const file = `/proc/${child.pid}/status`;
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024);
}

/** Waits until the sockets of the attacks are closed, or long enough to call them leaked. */
async function settled(child: ChildProcess, fds: number): Promise<void> {
  for (const end = Date.now() + SETTLE_MS; Date.now() < end && openFiles(child) > fds; ) await sleep(100);
}

/** True when an honest client can still log in. */
function answers(port: number): Promise<boolean> {
  const client = new ssh2.Client();
  return new Promise((resolve) => {
    client.once('ready', () => resolve(true)).once('error', () => resolve(false));
    client.once('close', () => resolve(false));
    client.once('ready', () => client.end());
    client.connect({ host: '127.0.0.1', port, readyTimeout: 30_000, ...FUZZ_USER });
  });
}
