export * from './backups.js';
export * from './engine.js';
