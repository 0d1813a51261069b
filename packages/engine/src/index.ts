export * from './backups.js';
export * from './engine.js';
export * from './upgrade-events.js';
