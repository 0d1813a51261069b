import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type GatewayConfig, gatewayConfig } from '@borealis/contract';

/** Far beyond any real configuration, and small enough to read in one go. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Reads and checks `gateway.json`. Rejects with an Error of one sentence that names the place in the file but quotes no
 * value: the file holds keys and verifiers.
 */
export async function readConfig(directory: string): Promise<GatewayConfig> {
  const file = path.join(directory, 'gateway.json');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file} cannot be read: ${error.code}.`);
  });
  if (text.length > MAX_BYTES) throw new Error(`${file} is larger than ${MAX_BYTES} bytes.`);
  return checked(file, parsed(file, text));
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${file} is not JSON.`); // the parser's own message quotes the text
  }
}

function checked(file: string, value: unknown): GatewayConfig {
  const result = gatewayConfig.safeParse(value, { reportInput: false });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new Error(`${file} is not valid at ${issue?.path.join('.') || 'the top'}: ${issue?.message ?? 'unknown'}.`);
}

/** Why a running gateway cannot go from one configuration to another, or undefined when it can. */
export function refuseChange(now: GatewayConfig, next: GatewayConfig): string | undefined {
  if (next.clusterId !== now.clusterId) return `This gateway serves ${now.clusterId}, not ${next.clusterId}.`;
  if (next.revision < now.revision)
    return `Revision ${next.revision} is older than ${now.revision}, which is in force.`;
  if (JSON.stringify(next.listen) !== JSON.stringify(now.listen))
    return 'Where it listens cannot change without a restart.';
  return undefined;
}
