import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificate } from './support/certificate.js';
import { GatewayDirectory } from './support/gateway-directory.js';
import { GatewayProcess } from './support/gateway-process.js';
import { login } from './support/ssh-client.js';

const BUNDLE = path.resolve(import.meta.dirname, '../dist/bundle');

describe.skipIf(!existsSync(BUNDLE))('the bundle (needs scripts/bundle-gateway.mjs to have run)', () => {
  const elsewhere = mkdtempSync(path.join(os.tmpdir(), 'bgb-'));
  let directory: GatewayDirectory;

  beforeAll(() => {
    cpSync(BUNDLE, elsewhere, { recursive: true });
    directory = new GatewayDirectory({ tls: makeCertificate(elsewhere) });
  });

  afterAll(() => {
    rmSync(elsewhere, { recursive: true, force: true });
    directory.remove();
  });

  test.each([
    ['with the native binding beside it', true],
    ['without', false],
  ])('runs from another folder, %s', async (_what, native) => {
    const binding = path.join(elsewhere, 'sshcrypto.node');
    if (!native) rmSync(binding, { force: true });
    const expected = existsSync(binding);
    const gateway = await GatewayProcess.start(directory.path, path.join(elsewhere, 'gateway.cjs'));
    expect((await gateway.status()).nativeCrypto).toBe(expected);
    (await login(gateway.port, { privateKey: directory.alice.private })).end();
    gateway.kill('SIGTERM');
    await gateway.ended();
    expect(gateway.exit).toEqual({ code: 0, signal: null });
  });
});
