import { createConnection } from 'node:net';
import { join } from 'node:path';
import {
  type GatewayCommandInput,
  type GatewayHeld,
  type GatewayMoved,
  type GatewayStatus,
  gatewayAnswer,
  gatewayHeld,
  gatewayMoved,
  gatewayStatus,
} from '@borealis/contract';
import type { z } from 'zod';

/** Longer than the gateway gives itself to take sessions from their servers, or to bring them back. */
const ANSWER_SECONDS = 40;
const ANSWER_LIMIT = 16 * 1024 * 1024;

/** The gateway did not answer at all; a refusal is an ordinary error instead. */
export class GatewaySilence extends Error {
  override readonly name = 'GatewaySilence';
}

/**
 * Asks the gateway for its state; throws `GatewaySilence` when it does not answer within `seconds`, or not as a gateway of this
 * release does: one of another release is replaced like one that hangs.
 */
export async function requestStatus(directory: string, seconds: number): Promise<GatewayStatus> {
  const status = gatewayStatus.safeParse(await request(directory, { op: 'status' }, seconds));
  if (!status.success)
    throw new GatewaySilence('The gateway answers like one of another release.', { cause: status.error });
  return status.data;
}

/** Sends a command; throws the gateway's own sentence when it refuses, `GatewaySilence` when it does not answer in time. */
export async function sendCommand(directory: string, command: GatewayCommandInput, seconds: number): Promise<void> {
  const answer = gatewayAnswer.parse(await request(directory, command, seconds));
  if (!answer.ok) throw new Error(`The gateway refused "${command.op}": ${answer.error ?? 'no reason given'}`);
}

/**
 * Brings every session to rest and off the servers, which may be stopped then; what happens when some are not at rest within
 * `seconds` is `late`'s to say. They go on with `resumeSessions`, or by themselves 30 s after this has resolved. Throws the
 * gateway's sentence when it does not hold them, and then all go on as they were; `GatewaySilence` when it does not answer.
 */
export function holdSessions(
  directory: string,
  { seconds, late }: { seconds: number; late: 'abort' | 'close' },
): Promise<GatewayHeld> {
  return ask(directory, { op: 'hold', seconds, late }, seconds + ANSWER_SECONDS, gatewayHeld);
}

/**
 * Has the gateway read its file and go on with the sessions that are held, on the servers named there; resolves when they do. Where
 * none is held it is `reloadGateway`.
 */
export function resumeSessions(directory: string): Promise<GatewayMoved> {
  return ask(directory, { op: 'resume' }, ANSWER_SECONDS, gatewayMoved);
}

/** Has the gateway read its file and run by it; tells which sessions were moved or closed because their server is not the one now. */
export function reloadGateway(directory: string): Promise<GatewayMoved> {
  return ask(directory, { op: 'reload' }, ANSWER_SECONDS, gatewayMoved);
}

async function ask<T>(
  directory: string,
  command: GatewayCommandInput,
  seconds: number,
  form: z.ZodType<T>,
): Promise<T> {
  const answer = await request(directory, command, seconds);
  const { ok, error } = gatewayAnswer.parse(answer);
  if (!ok) throw new Error(`The gateway refused "${command.op}": ${error ?? 'no reason given'}`);
  return form.parse(answer);
}

function request(directory: string, command: GatewayCommandInput, seconds: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(join(directory, 'control.sock'));
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
