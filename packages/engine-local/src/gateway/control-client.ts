import { createConnection } from 'node:net';
import { join } from 'node:path';
import { type GatewayCommand, type GatewayStatus, gatewayAnswer, gatewayStatus } from '@borealis/contract';

const ANSWER_LIMIT = 16 * 1024 * 1024;

/** Asks the gateway for its state; throws when it does not answer within `seconds`. */
export async function requestStatus(directory: string, seconds: number): Promise<GatewayStatus> {
  return gatewayStatus.parse(await request(directory, { op: 'status' }, seconds));
}

/** Sends a command; throws with the gateway's own sentence when it refuses, or when it does not answer within `seconds`. */
export async function sendCommand(directory: string, command: GatewayCommand, seconds: number): Promise<void> {
  const answer = gatewayAnswer.parse(await request(directory, command, seconds));
  if (!answer.ok) throw new Error(`The gateway refused "${command.op}": ${answer.error ?? 'no reason given'}`);
}

function request(directory: string, command: GatewayCommand, seconds: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(join(directory, 'control.sock'));
    let text = '';
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(seconds * 1000, () => fail(new Error(`The gateway did not answer "${command.op}" in time.`)));
    socket.setEncoding('utf8');
    socket.on('error', fail);
    socket.on('close', () =>
      reject(new Error(`The gateway closed its control socket before it answered "${command.op}".`)),
    );
    socket.on('connect', () => socket.write(`${JSON.stringify(command)}\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0) return text.length > ANSWER_LIMIT ? fail(new Error('The gateway answered too much.')) : undefined;
      try {
        resolve(JSON.parse(text.slice(0, end)));
      } catch (error) {
        reject(error);
      }
      socket.destroy();
    });
  });
}
