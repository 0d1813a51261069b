import {
  DEFAULT_POSTGRES_MAJOR,
  findPlan,
  PLANS,
  type Plan,
  POSTGRES_MAJORS,
  type PostgresMajor,
  type ProvisionRequest,
} from '@borealis/contract';
import { AppError } from '../errors.js';
import type { Addon } from './addon-store.js';

/** What a provision request asks for, once it is known to be possible. */
export interface CheckedRequest {
  plan: Plan;
  major: PostgresMajor;
  region: string;
}

/** The platform's regions, without the provider's prefix: these are also the codes that the CLI shows. */
export const REGIONS: readonly string[] = [
  'us-east-1',
  'us-west-1',
  'us-west-2',
  'eu-west-1',
  'eu-central-1',
  'ap-northeast-1',
  'ap-southeast-1',
  'ap-southeast-2',
];

const PROVIDER = 'amazon-web-services::';

/**
 * Checks plan, version and region; throws the refusal that names what is supported. Unknown options are let be. A copy has the version
 * of its source.
 */
export function checkRequest(
  request: Pick<ProvisionRequest, 'plan' | 'region' | 'options'>,
  offers: { majors: readonly PostgresMajor[]; regions: readonly string[] },
  source: Pick<Addon, 'name' | 'postgres_major'> | null = null,
): CheckedRequest {
  const asked = request.options?.version;
  return {
    plan: checkPlan(request.plan),
    major: checkVersion(source ? versionOf(source, asked) : asked, offers.majors),
    region: checkRegion(request.region, offers.regions),
  };
}

/** The plan of that name; throws `unknownPlan`, which names those that can be had. */
export function checkPlan(name: string): Plan {
  const plan = findPlan(name);
  if (!plan) throw new AppError('unknownPlan', { plan: name, supported: PLANS.map((one) => one.name).join(', ') });
  return plan;
}

function checkVersion(asked: unknown, majors: readonly PostgresMajor[]): PostgresMajor {
  const version = asked === undefined || asked === null ? DEFAULT_POSTGRES_MAJOR : String(asked).slice(0, 20);
  const major = POSTGRES_MAJORS.find((candidate) => candidate === version && majors.includes(candidate));
  if (!major) throw new AppError('unknownVersion', { version, supported: majors.join(', ') });
  return major;
}

function versionOf(
  { name, postgres_major: supported }: Pick<Addon, 'name' | 'postgres_major'>,
  asked: unknown,
): string {
  const version = asked === undefined || asked === null ? supported : String(asked).slice(0, 20);
  if (version !== supported) throw new AppError('copyVersion', { addon: name, supported, version });
  return version;
}

function checkRegion(asked: string, regions: readonly string[]): string {
  const region = asked.startsWith(PROVIDER) ? asked.slice(PROVIDER.length) : asked;
  if (!regions.includes(region)) throw new AppError('unknownRegion', { region, supported: regions.join(', ') });
  return region;
}
