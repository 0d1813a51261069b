import type { FastifyInstance } from 'fastify';
import { person } from '../access/authenticate.js';
import { requireApp } from '../access/visible.js';
import type { Platform } from '../context.js';
import { invalid, notFound } from '../errors.js';
import type { App, Release } from '../store/records.js';
import { releaseView } from '../views/release-view.js';
import { param } from './input.js';

const MOST = 1000;

/** Reads `version ..; order=desc,max=1` in any order and spacing; without it the oldest 200 come first. */
function parseRange(header: string | undefined): { descending: boolean; max: number } {
  const descending = /order=desc/.test(header ?? '');
  const max = Number(/max=(\d{1,9})/.exec(header ?? '')?.[1] ?? 200);
  if (max < 1 || max > MOST) throw invalid(`The range may ask for 1 to ${MOST} releases.`);
  return { descending, max };
}

function releasesOf(platform: Platform, app: App): Release[] {
  return platform.store.filter('releases', (row) => row.appId === app.id).sort((a, b) => a.version - b.version);
}

function requireRelease(platform: Platform, app: App, wanted: string): Release {
  const version = wanted.replace(/^v/, '');
  const row = platform.store.find(
    'releases',
    (one) => one.appId === app.id && (one.id === wanted || String(one.version) === version),
  );
  if (!row) throw notFound('release');
  return row;
}

export function releaseRoutes(server: FastifyInstance, platform: Platform): void {
  server.get('/apps/:app/releases', async (request) => {
    const app = requireApp(platform, person(request), param(request, 'app'));
    const { descending, max } = parseRange(request.headers.range);
    const rows = releasesOf(platform, app);
    return (descending ? rows.reverse() : rows).slice(0, max).map((row) => releaseView(app, row));
  });

  server.get('/apps/:app/releases/:release', async (request) => {
    const app = requireApp(platform, person(request), param(request, 'app'));
    return releaseView(app, requireRelease(platform, app, param(request, 'release')));
  });

  server.get('/apps/:app/releases/:release/config-vars', { config: { scope: 'read-protected' } }, async (request) => {
    const app = requireApp(platform, person(request), param(request, 'app'));
    return requireRelease(platform, app, param(request, 'release')).config;
  });
}
