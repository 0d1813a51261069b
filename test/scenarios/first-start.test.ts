import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { launch, removeHome, temporaryHome } from '../support/installation.js';
import { processesOf } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { until } from '../support/until.js';

const homes: string[] = [];
function home(): string {
  const made = temporaryHome();
  homes.push(made);
  return made;
}

afterEach(() => {
  for (const made of homes.splice(0)) removeHome(made);
});

scenario('a first start takes the tour, stops, and a second one finds the same data', async () => {
  const directory = home();
  const first = launch(directory, ['--once']);
  expect(await first.exit, first.output()).toBe(0);
  expect(first.output()).toContain('PostgreSQL 16.');
  expect(first.output()).toContain('visited 1 time');
  expect(first.output()).toContain('on Unix sockets alone');
  expect(processesOf(directory)).toEqual([]);
  expect(existsSync(join(directory, 'env'))).toBe(false);

  const second = launch(directory, ['--once']);
  expect(await second.exit, second.output()).toBe(0);
  expect(second.output()).toContain('visited 2 time');
  expect(processesOf(directory)).toEqual([]);
});

scenario('a port that is in use is named, and nothing half-made is left running', async () => {
  const taken = createServer();
  await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
  const { port } = taken.address() as { port: number };
  const directory = home();
  const started = launch(directory, [], { BOREALIS_API_PORT: String(port) });
  expect(await started.exit).not.toBe(0);
  expect(started.output()).toContain(`Port ${port} on 127.0.0.1 is in use: set BOREALIS_API_PORT`);
  expect(processesOf(directory)).toEqual([]);
  taken.close();
});

scenario('settings that cannot be used are refused by name before anything is made', async () => {
  const directory = join(home(), 'never-made');
  const started = launch(directory, [], { BOREALIS_PLATFORM_PORT: '99999' });
  expect(await started.exit).toBe(1);
  expect(started.output()).toContain('BOREALIS_PLATFORM_PORT cannot be used');
  expect(existsSync(directory)).toBe(false);
});

scenario.full(
  'two installations run side by side, and a second start on the home of one is refused with a sentence',
  async () => {
    const both = [launch(home()), launch(home())];
    for (const up of both) await until('both to be up', () => existsSync(join(up.home, 'env')), 180);
    const again = launch(both[0]!.home);
    expect(await again.exit).not.toBe(0);
    expect(again.output()).toMatch(/already running/);
    expect(existsSync(join(both[0]!.home, 'env'))).toBe(true);
    for (const up of both) up.child.kill('SIGINT');
    for (const up of both) {
      expect(await up.exit, up.output()).toBe(0);
      expect(processesOf(up.home)).toEqual([]);
    }
  },
);

scenario('a home that cannot be made is one sentence', async () => {
  const started = launch('/proc/no-such-place', []);
  expect(await started.exit).toBe(1);
  expect(started.output().trim()).toMatch(/^\/proc\/no-such-place cannot be made/);
});
