import { addonApiError } from '@borealis/contract';
import { CLIError } from '@oclif/core/errors';

/** What a refusal means, in a sentence, by its HTTP status. A command may have its own meanings. */
export type Meanings = Partial<Record<number, (addonName: string, reason: string | undefined) => string>>;

export const UNAVAILABLE = 'Add-on service is temporarily unavailable. Try again later.';

const COMMON_MEANINGS: Meanings = {
  400: (_, reason) => reason ?? UNAVAILABLE,
  403: (_, reason) =>
    reason ??
    'Access to the add-on database is revoked for personal users, usually because it has long been over its storage ' +
      'limit. Upgrade to a larger plan to restore access',
  404: (addon) => `Add-on ${addon} is not a Borealis Isolated Postgres add-on`,
  422: (addon) => `Add-on ${addon} is not finished provisioning. "heroku addons:wait ${addon}" waits for it`,
  423: (addon) =>
    `A PostgreSQL major version upgrade of add-on ${addon} is running. Try again when it is finished, or see ` +
    'what it does with "heroku borealis-pg:upgrade:info"',
};

/** An answer of the add-on API that is not a success: exit code 2, as for every API error of the CLI. */
export class AddonApiRefusal extends CLIError {
  readonly status: number;
  readonly reason: string | undefined;
  readonly resourceType: string | undefined;
  readonly dependencies: string[] | undefined;

  constructor(addonName: string, status: number, body: unknown, meanings: Meanings = {}) {
    const parsed = addonApiError.safeParse(body);
    const details = parsed.success ? parsed.data : undefined;
    const meaning = meanings[status] ?? COMMON_MEANINGS[status];
    super(meaning?.(addonName, details?.reason) ?? UNAVAILABLE, { exit: 2 });
    this.status = status;
    this.reason = details?.reason;
    this.resourceType = details?.resourceType;
    this.dependencies = details?.dependencies;
  }
}
