import { onMajor } from './on-major.js';

await onMajor(
  '17',
  () => import('./moves.test.js'),
  () => import('./moves-cursors.test.js'),
);
