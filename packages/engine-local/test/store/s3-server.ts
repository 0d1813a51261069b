import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { temporaryDirectory } from '../support/home.js';

const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('./s3-server.py', import.meta.url));
/** Swift keeps what belongs to an object in extended attributes. */
const PROBE = `
import os, sys, tempfile
import swift.obj.server
with tempfile.NamedTemporaryFile(dir=sys.argv[1]) as file:
    os.setxattr(file.name, 'user.probe', b'1')`;

export const BUCKET = 'backups';

/** A real S3 service on loopback, with one bucket. */
export interface S3Server {
  /** Where it is and what opens it, as the AWS SDK reads it, and nothing of this machine's own settings. */
  env: Record<string, string>;
  /** For what is done behind a store's back. */
  client: S3Client;
  remove(): Promise<void>;
}

export function hasSwift(): boolean {
  return spawnSync(PYTHON, ['-c', PROBE, tmpdir()], { stdio: 'ignore' }).status === 0;
}

/** Starts OpenStack's Swift; it ends with this process, too. */
export async function startS3Server(): Promise<S3Server> {
  const directory = await temporaryDirectory();
  const child = spawn(PYTHON, [SCRIPT, join(directory.path, 's3')], { stdio: ['pipe', 'pipe', 'pipe'] });
  const env = { ...NO_SETTINGS, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${await firstLine(child)}` };
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  const client = new S3Client({
    ...{ endpoint: env.AWS_ENDPOINT_URL_S3, forcePathStyle: true, region: env.AWS_REGION },
    credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY },
    ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
  });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  return {
    env,
    client,
    remove: async () => {
      client.destroy();
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      await directory.remove();
    },
  };
}

const NO_SETTINGS = {
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'test:tester',
  AWS_SECRET_ACCESS_KEY: 'testing',
};

async function firstLine(child: ChildProcess): Promise<string> {
  let said = '';
  child.stderr!.on('data', (text: Buffer) => {
    said += text;
  });
  const line = await Promise.race([once(child.stdout!, 'data'), once(child, 'close').then(() => null)]);
  if (!line) throw new Error(`The S3 server did not start: ${said}`);
  return String(line[0]).trim();
}
