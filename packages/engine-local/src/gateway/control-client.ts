import { createConnection } from 'node:net';
import { join } from 'node:path';
import { type GatewayCommandInput, type GatewayStatus, gatewayAnswer, gatewayStatus } from '@borealis/contract';

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
