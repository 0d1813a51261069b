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

/** The two HTTP ports of this run; "any" (0) means the same ones as last time while they are free. */
export async function choosePorts(
  home: string,
  wanted: { platform: number; api: number },
): Promise<{ platform: number; api: number }> {
  const file = join(home, 'ports.json');
  const last = JSON.parse((await readIfThere(file)) ?? '{}') as { platform?: number; api?: number };
  const platform = await choose('BOREALIS_PLATFORM_PORT', wanted.platform, last.platform);
  const api = await choose('BOREALIS_API_PORT', wanted.api, last.api === platform ? undefined : last.api);
  if (api === platform)
    throw new Failure(`BOREALIS_PLATFORM_PORT and BOREALIS_API_PORT are both ${api}: they must differ.`);
  const chosen = { platform, api };
  await writeDurably(file, JSON.stringify(chosen));
  return chosen;
}
