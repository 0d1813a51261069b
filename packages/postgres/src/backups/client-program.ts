import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import type { ClientProgram, ClientTools } from '../client-tools/tools.js';
import { asServerUser, type ServerSpec } from '../server/spec.js';

/** A client program that works on one database of a server, as the server's own OS user. */
export interface ClientCall {
  tools: ClientTools;
  program: ClientProgram;
  server: ServerSpec;
  role: { name: string; password: string };
  database: string;
  args: readonly string[];
  signal: AbortSignal;
}

export interface RunningClient {
  child: ChildProcess;
  /** Once it has ended; it never throws. */
  ended: Promise<{ status: number | null; said: string }>;
}

const MOST_SAID = 256 * 1024;

/** Starts the program over the server's Unix socket. The password goes in its environment, which only its own OS user can read. */
export function startClient(call: ClientCall, stdio: SpawnOptions['stdio']): RunningClient {
  const { server, role } = call;
  const [program, ...before] = call.tools.command(call.program);
  const where = ['-h', server.socketDirectory, '-p', String(server.port), '-U', role.name, '-d', call.database, '-w'];
  const { env, ...user } = asServerUser(server.os);
  const secret = { PGPASSWORD: role.password, PGPASSFILE: '/dev/null', PGAPPNAME: 'borealis' };
  const child = spawn(program, [...before, ...where, ...call.args], {
    ...user,
    env: { ...env, ...secret },
    stdio,
    signal: call.signal,
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < MOST_SAID) said += text;
  });
  const ended = new Promise<{ status: number | null; said: string }>((resolve) => {
    child.once('error', (error) => resolve({ status: null, said: said || error.message }));
    child.once('close', (status) => resolve({ status, said }));
  });
  return { child, ended };
}
