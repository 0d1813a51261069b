import { DERIVATION_MS, withKeyDescriptors } from './key.js';
import type { KeySlots } from './key-slots.js';
import { unlessMismeasured } from './storage-daemon.js';
import { runTool, ToolError } from './tool.js';

/** Those of an image that QEMU made, by its own program. */
export const imageSlots: KeySlots = {
  opens: (image, key) =>
    withKeyDescriptors([key], (descriptors) =>
      runTool('qemu-img', ['map', ...KEY, opened(image)], { descriptors }).then(
        () => true,
        (error: unknown) => {
          if (!(error instanceof ToolError)) throw error;
          // It opens, and then has nothing to say about what is encrypted.
          if (/encrypted or compressed clusters/.test(error.stderr)) return true;
          if (/Invalid password/.test(error.stderr)) return false;
          throw error;
        },
      ),
    ),
  async add(image, key, next, kind) {
    const change = `state=active,new-secret=second,iter-time=${DERIVATION_MS[kind]}`;
    await unlessMismeasured(() =>
      withKeyDescriptors([key, next], (descriptors) =>
        runTool('qemu-img', ['amend', '-q', ...KEY, ...SECOND, '-o', change, opened(image)], { descriptors }),
      ),
    );
  },
  async remove(image, key, former) {
    await withKeyDescriptors([key, former], (descriptors) =>
      runTool('qemu-img', ['amend', '-q', ...KEY, ...SECOND, '-o', 'state=inactive,old-secret=second', opened(image)], {
        descriptors,
      }),
    );
  },
};

const secret = (id: string, descriptor: number) => [
  '--object',
  JSON.stringify({ 'qom-type': 'secret', id, file: `/proc/self/fd/${descriptor}`, format: 'raw' }),
];
const KEY = secret('key', 3);
const SECOND = secret('second', 4);

/** The image as QEMU opens it with the first key. */
const opened = (image: string) =>
  `json:${JSON.stringify({ driver: 'luks', file: { driver: 'file', filename: image }, 'key-secret': 'key' })}`;
