export { defineStrand, done, go, nap } from './define.js';
export { createStrands, type Strands } from './strands.js';
export type * from './types.js';
