import { DERIVATION_MS, withKeyDescriptors } from './key.js';
import type { KeySlots } from './key-slots.js';
import { runTool, ToolError } from './tool.js';

/** Those of a LUKS2 image, by cryptsetup, which needs no dm-crypt for them. */
export const dmCryptSlots: KeySlots = {
  opens: (image, key) =>
    withKeyDescriptors([key], (descriptors) =>
      runTool('cryptsetup', ['open', '--test-passphrase', '--type', 'luks2', ...KEY, image], { descriptors }).then(
        () => true,
        (error: unknown) => {
          if (error instanceof ToolError && /No key available/.test(error.stderr)) return false;
          throw error;
        },
      ),
    ),
  async add(image, key, next, kind) {
    const derivation = ['--pbkdf', 'pbkdf2', '--iter-time', String(DERIVATION_MS[kind])];
    await withKeyDescriptors([key, next], (descriptors) =>
      runTool('cryptsetup', ['luksAddKey', '--batch-mode', ...KEY, ...derivation, image, SECOND], { descriptors }),
    );
  },
  async remove(image, key, former) {
    await withKeyDescriptors([key, former], (descriptors) =>
      runTool('cryptsetup', ['luksRemoveKey', '--batch-mode', image, SECOND], { descriptors }),
    );
  },
};

const KEY = ['--key-file', '/proc/self/fd/3'];
const SECOND = '/proc/self/fd/4';
