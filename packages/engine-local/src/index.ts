export type { ControlDatabase } from './control-database.js';
export { closedParent } from './home/home.js';
export { tryLock } from './home/lock.js';
export { keeperSocket, runtimeDirectory } from './home/paths.js';
export { type Keeper, startKeeper } from './keeper.js';
export { type KeeperOptions, type PublicGateways, parsePortRange } from './options.js';
export { createEngineClient, requestControlDatabase } from './rpc/client.js';
