import { spawn } from 'node:child_process';
import { chown, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { end, freePort, isListening, run, until } from '../run.mjs';
import { findSshd } from './sshd-program.mjs';
import { asUser } from './user.mjs';

function configuration(directory, port) {
  return `Port ${port}
ListenAddress 127.0.0.1
HostKey ${directory}/host_key
PidFile none
AuthorizedKeysFile ${directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
`;
}

/** Starts OpenSSH's own server for one user, with stock settings but for keys, port and no passwords. */
export async function startSshd(root, user, cleanup) {
  const program = await findSshd(root);
  const directory = join(root, 'sshd');
  await mkdir(directory, { mode: 0o755 });
  for (const key of ['host_key', 'client_key'])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, key)]);
  await copyFile(join(directory, 'client_key.pub'), join(directory, 'authorized_keys'));
  await chown(join(directory, 'host_key'), user.uid, user.gid);
  const port = await freePort();
  const config = join(directory, 'config');
  await writeFile(config, configuration(directory, port));
  const child = spawn(program.path, ['-D', '-e', '-f', config], {
    env: program.env,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
    ...asUser(user),
  });
  let errors = '';
  child.on('error', (error) => {
    errors = error.message;
  });
  child.stderr.on('data', (chunk) => {
    errors = `${errors}${chunk}`.slice(-1000);
  });
  cleanup.add('The sshd', () => end(child));
  await until('sshd to listen', () => {
    if (child.exitCode !== null || child.pid === undefined) throw new Error(`sshd does not start: ${errors}`);
    return isListening(port);
  });
  return {
    host: '127.0.0.1',
    port,
    username: user.name,
    hostKey: (await readFile(join(directory, 'host_key.pub'), 'utf8')).split(' ').slice(0, 2).join(' '),
    privateKey: await readFile(join(directory, 'client_key'), 'utf8'),
    version: await greeting(port),
  };
}

/** What the server says that it is, such as `OpenSSH_9.2p1`. */
function greeting(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', reject);
    socket.once('data', (line) => {
      socket.destroy();
      resolve(/OpenSSH_[\w.]+/.exec(line.toString())?.[0] ?? 'OpenSSH');
    });
  });
}
