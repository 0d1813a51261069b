import { onMajor } from './on-major.js';

await onMajor(
  '18',
  () => import('./moves.test.js'),
  () => import('./moves-cursors.test.js'),
);
