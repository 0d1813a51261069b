import { onMajor } from './on-major.js';

await onMajor(
  '13',
  () => import('./moves.test.js'),
  () => import('./moves-cursors.test.js'),
);
