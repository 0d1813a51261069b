import { connect } from 'node:net';

/** The first line that a server says: an SSH server introduces itself before the client has to. */
export function firstLine(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: 5_000 });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\n');
      if (end < 0) return;
      socket.destroy();
      resolve(text.slice(0, end).trim());
    });
    socket.on('timeout', () => socket.destroy(new Error('no answer in 5 seconds')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed without a word')));
  });
}
