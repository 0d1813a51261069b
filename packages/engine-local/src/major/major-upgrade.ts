import { EngineError } from '@borealis/engine';

/** As `Engine.upgradeMajor`, `Engine.cancelMajorUpgrade` and `Engine.revertMajorUpgrade`. */
export async function refuseMajorUpgrade(): Promise<never> {
  throw new EngineError('unsupported', 'This release of Borealis does not change the major of a cluster yet.');
}
