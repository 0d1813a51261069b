export * from './backups.js';
export * from './changes.js';
export * from './engine.js';
