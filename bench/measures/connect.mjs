import { measureSelects } from './select.mjs';

/** Connections a second, each with one select, through an open tunnel. */
export function connect(context) {
  return measureSelects(context, [
    { name: 'pgbench -S -C, connects', options: ['-C', '-c', '1'], target: { atLeast: 2 } },
  ]);
}
