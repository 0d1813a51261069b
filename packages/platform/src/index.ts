export { type PlatformOptions, type RunningPlatform, startPlatform } from './platform.js';
