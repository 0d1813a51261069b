import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import { actorOf } from '../access/principal.js';
import { requireApp } from '../access/visible.js';
import type { Platform } from '../context.js';
import { invalid, notFound } from '../errors.js';
import { announce, release } from '../releases.js';
import type { App, Release } from '../store/records.js';
import { stableId } from '../tokens.js';
import { body, param, reference } from './input.js';

const REGISTRY = 'https://buildpack-registry.s3.amazonaws.com/buildpacks/';
const HEROKU = 'go gradle java jvm nodejs php procfile python ruby scala apt'
  .split(' ')
  .map((name) => `heroku/${name}`);
const KNOWN = ['borealis/postgres-tunnel', ...HEROKU];

const change = z.looseObject({ updates: z.array(z.looseObject({ buildpack: reference.nullish() })).max(30) });

/** The address under which the CLI shows a buildpack by its name again: exactly this form. */
function blobUrl(name: string): string {
  return `${REGISTRY}${name}.tgz`;
}

/** A registry name becomes its address, an address stays. */
function toUrl(wanted: string | null | undefined): string {
  // The CLI asks for nothing when the registry did not know the name.
  if (!wanted)
    throw invalid(`The buildpack is not in the registry, which has ${KNOWN.join(', ')}; a URL is taken too.`);
  if (KNOWN.includes(wanted)) return blobUrl(wanted);
  if (!/^(https?|git|ssh|urn):\S+$/.test(wanted) || wanted.length > 255)
    throw invalid(`${wanted.slice(0, 100)} is neither a URL nor one of the buildpacks ${KNOWN.join(', ')}.`);
  return wanted;
}

function installations(app: App): Record<string, unknown>[] {
  return app.buildpacks.map((url, ordinal) => {
    const name = KNOWN.find((one) => blobUrl(one) === url);
    return { ordinal, buildpack: { url, name: name ?? url } };
  });
}

/** The buildpack registry, which at Heroku is a host of its own and needs no token. */
export function registryRoutes(server: FastifyInstance): void {
  server.get('/buildpacks/:name', async (request) => {
    const name = param(request, 'name');
    if (!KNOWN.includes(name)) throw notFound('buildpack');
    const [namespace, short] = name.split('/') as [string, string];
    return { id: stableId(`buildpack ${name}`), name: short, namespace, full_name: name, blob_url: blobUrl(name) };
  });
}

export function buildpackRoutes(server: FastifyInstance, platform: Platform): void {
  server.get('/apps/:app/buildpack-installations', async (request) =>
    installations(requireApp(platform, person(request), param(request, 'app'))),
  );

  server.put('/apps/:app/buildpack-installations', async (request) => {
    const principal = person(request);
    const app = requireApp(platform, principal, param(request, 'app'));
    const buildpacks = body(request, change).updates.map((update) => toUrl(update.buildpack));
    let made: Release | undefined;
    platform.store.commit((tx) => {
      tx.put('apps', { ...app, buildpacks });
      if (buildpacks.join() !== app.buildpacks.join())
        made = release(tx, platform, app.id, 'Update buildpacks', actorOf(principal));
    });
    if (made) announce(platform, made);
    return installations(platform.store.get('apps', app.id)!);
  });
}
