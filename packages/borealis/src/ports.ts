import { createServer } from 'node:net';
import { join } from 'node:path';
import { readIfThere, writeDurably } from './durable-file.js';
import { Failure } from './failure.js';

/** Listens for a moment; resolves with the port, or null when it is taken. */
function probe(port: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : null));
    });
  });
}

async function choose(variable: string, wanted: number, remembered: number | undefined): Promise<number> {
  if (wanted === 0) {
    const port = (remembered ? await probe(remembered) : null) ?? (await probe(0));
    if (port !== null) return port;
    throw new Failure('No free TCP port could be found on 127.0.0.1.');
  }
  const port = await probe(wanted);
  if (port !== null) return port;
  throw new Failure(`Port ${wanted} on 127.0.0.1 is in use: set ${variable} to a free one (0 takes any).`);
}

/** What listens on 127.0.0.1, and the variable that sets its port. */
const PORTS = { platform: 'BOREALIS_PLATFORM_PORT', api: 'BOREALIS_API_PORT', mail: 'BOREALIS_MAIL_PORT' } as const;
type Ports = Record<keyof typeof PORTS, number>;
const NAMES = Object.keys(PORTS) as (keyof typeof PORTS)[];

/** The ports of this run; "any" (0) means the same ones as last time while they are free. */
export async function choosePorts(home: string, wanted: Ports): Promise<Ports> {
  const file = join(home, 'ports.json');
  const last = JSON.parse((await readIfThere(file)) ?? '{}') as Partial<Ports>;
  const chosen: Partial<Ports> = {};
  for (const name of NAMES) {
    const taken = NAMES.filter((other) => chosen[other] !== undefined);
    const remembered = taken.some((other) => chosen[other] === last[name]) ? undefined : last[name];
    const port = await choose(PORTS[name], wanted[name], remembered);
    const twin = taken.find((other) => chosen[other] === port);
    if (twin) throw new Failure(`${PORTS[twin]} and ${PORTS[name]} are both ${port}: they must differ.`);
    chosen[name] = port;
  }
  await writeDurably(file, JSON.stringify(chosen));
  return chosen as Ports;
}
