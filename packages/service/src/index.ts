export type { ServiceConfig, ServiceOptions } from './options.js';
export { createService, type Service } from './service.js';
