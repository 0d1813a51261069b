import { createConnection } from 'node:net';
import { join } from 'node:path';
import {
  ASK_SECONDS,
  type GatewayCommandInput,
  type GatewayHeld,
  type GatewayMoved,
  type GatewayStatus,
  gatewayAnswer,
  gatewayHeld,
  gatewayMoved,
  gatewayStatus,
  handedOver,
} from '@borealis/contract';
import type { z } from 'zod';
import type { GatewayProgram } from './program.js';

/** Longer than the gateway gives itself to take sessions from their servers, to bring them back, or to start another one. */
const ANSWER_SECONDS = 40;
const ANSWER_LIMIT = 16 * 1024 * 1024;

/** The gateway did not answer at all; a refusal is an ordinary error instead. */
export class GatewaySilence extends Error {
  override readonly name = 'GatewaySilence';
}

/**
 * All these ask the gateway that accepts connections, or that of the pid named. This one asks for its state; throws `GatewaySilence`
 * when it does not answer within `seconds`, or not as a gateway of this release does: one of another release is replaced like one
 * that hangs.
 */
export async function requestStatus(directory: string, seconds: number, pid?: number): Promise<GatewayStatus> {
  const status = gatewayStatus.safeParse(await request(directory, { op: 'status' }, seconds, pid));
  if (!status.success)
    throw new GatewaySilence('The gateway answers like one of another release.', { cause: status.error });
  return status.data;
}

/** Sends a command; throws the gateway's own sentence when it refuses, `GatewaySilence` when it does not answer in time. */
export async function sendCommand(
  directory: string,
  command: GatewayCommandInput,
  seconds: number,
  pid?: number,
): Promise<void> {
  await ask(directory, command, seconds, gatewayAnswer, pid);
}

/** Has the gateway ask idle sessions for their state while all go on, which makes a `holdSessions` soon after shorter. Throws as `sendCommand`. */
export function askSessions(directory: string, pid?: number): Promise<void> {
  return sendCommand(directory, { op: 'ask' }, ASK_SECONDS + ANSWER_SECONDS, pid);
}

/**
 * Brings every session to rest and off the servers, which may be stopped then; what happens when some are not at rest within
 * `seconds` is `late`'s to say. They go on with `resumeSessions`, or by themselves 30 s after this has resolved. Throws the
 * gateway's sentence when it does not hold them, and then all go on as they were; `GatewaySilence` when it does not answer.
 */
export function holdSessions(
  directory: string,
  { seconds, late }: { seconds: number; late: 'abort' | 'close' },
  pid?: number,
): Promise<GatewayHeld> {
  return ask(directory, { op: 'hold', seconds, late }, seconds + ANSWER_SECONDS, gatewayHeld, pid);
}

/**
 * Has the gateway read its file and go on with the sessions that are held, on the servers named there; resolves when they do. Where
 * none is held it is `reloadGateway`. When the file names other `catalogs` than before (another major), sessions whose clients may
 * know OIDs of the old ones are closed as `types`; nothing else has to be asked for, neither here nor at the hold.
 */
export function resumeSessions(directory: string, pid?: number): Promise<GatewayMoved> {
  return ask(directory, { op: 'resume' }, ANSWER_SECONDS, gatewayMoved, pid);
}

/** Has the gateway read its file and run by it; tells which sessions were moved or closed because their server is not the one now. */
export function reloadGateway(directory: string, pid?: number): Promise<GatewayMoved> {
  return ask(directory, { op: 'reload' }, ANSWER_SECONDS, gatewayMoved, pid);
}

/** Lets a new process of that program take over, and gives its pid; on an error nothing has changed. Throws as `sendCommand` does. */
export async function requestHandOver(
  directory: string,
  program: GatewayProgram,
  drainSeconds: number,
  pid: number,
): Promise<number> {
  const command = { op: 'hand-over', ...program, drainSeconds } as const;
  return (await ask(directory, command, ANSWER_SECONDS, handedOver, pid)).pid;
}

async function ask<T>(
  directory: string,
  command: GatewayCommandInput,
  seconds: number,
  form: z.ZodType<T>,
  pid: number | undefined,
): Promise<T> {
  const answer = await request(directory, command, seconds, pid);
  const { ok, error } = gatewayAnswer.parse(answer);
  if (!ok) throw new Error(`The gateway refused "${command.op}": ${error ?? 'no reason given'}`);
  return form.parse(answer);
}

function request(directory: string, command: GatewayCommandInput, seconds: number, pid?: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(join(directory, `${pid ?? 'control'}.sock`));
    let text = '';
    const fail = (why: string, cause?: unknown) => {
      socket.destroy();
      reject(new GatewaySilence(`The gateway ${why} "${command.op}".`, { cause }));
    };
    // Counted from the start, not from the last byte: a trickle is no answer.
    const timer = setTimeout(() => fail('did not answer in time to'), seconds * 1000);
    socket.setEncoding('utf8');
    socket.on('error', (error) => fail('cannot be reached for', error));
    socket.on('close', () => {
      clearTimeout(timer);
      fail('hung up on');
    });
    socket.on('connect', () => socket.write(`${JSON.stringify(command)}\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0) return text.length > ANSWER_LIMIT ? fail('answered too much to') : undefined;
      try {
        resolve(JSON.parse(text.slice(0, end)));
        socket.destroy();
      } catch (error) {
        fail('answered nonsense to', error);
      }
    });
  });
}
