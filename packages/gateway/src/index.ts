export type { SqlFront, Target, Tunnel } from './front.js';
export { type FrontFactory, Gateway } from './gateway.js';
export { runProcess } from './process.js';
