import { type AddonApiError, addonApiError } from '@borealis/contract';
import { CLIError } from '@oclif/core/errors';

/** What a refusal says beside its status; everything may be missing. */
export type RefusalDetails = { [Field in keyof AddonApiError]?: AddonApiError[Field] | undefined };

/** What a refusal means, in a sentence, by its HTTP status. A command may have its own meanings. */
export type Meanings = Partial<Record<number, (addonName: string, details: RefusalDetails) => string>>;

export const UNAVAILABLE = 'Add-on service is temporarily unavailable. Try again later.';

/** A meaning that prefers the service's own sentence. */
export function reasonOr(sentence: string): (addonName: string, details: RefusalDetails) => string {
  return (_, { reason }) => reason ?? sentence;
}

/** A 404 that may be about the add-on itself or about `sentence`'s thing below it. */
export function missing(sentence: string): (addonName: string, details: RefusalDetails) => string {
  return (addon, { resourceType }) => (resourceType === 'addon' ? notOurs(addon) : sentence);
}

const notOurs = (addon: string) => `Add-on ${addon} is not a Borealis Isolated Postgres add-on`;

const COMMON_MEANINGS: Meanings = {
  400: reasonOr(UNAVAILABLE),
  403: reasonOr(
    'Access to the add-on database is revoked for personal users, usually because it has long been over its storage ' +
      'limit. Upgrade to a larger plan to restore access',
  ),
  404: notOurs,
  422: (addon) => `Add-on ${addon} is not finished provisioning. "heroku addons:wait ${addon}" waits for it`,
  423: (addon) =>
    `A PostgreSQL major version upgrade of add-on ${addon} is running. Try again when it is finished, or see ` +
    'what it does with "heroku borealis-pg:upgrade:info"',
};

/** An answer of the add-on API that is not a success: exit code 2, as for every API error of the CLI. */
export class AddonApiRefusal extends CLIError {
  readonly status: number;
  readonly details: RefusalDetails;

  constructor(addonName: string, status: number, body: unknown, meanings: Meanings = {}) {
    const details = addonApiError.partial().safeParse(body).data ?? {};
    const meaning = meanings[status] ?? COMMON_MEANINGS[status];
    super(meaning?.(addonName, details) ?? UNAVAILABLE, { exit: 2 });
    this.status = status;
    this.details = details;
  }
}

/** What `work` gives, or the refusal itself where it is one that does no harm. Every other failure is thrown on. */
export async function tolerating<T>(
  harmless: (refusal: AddonApiRefusal) => boolean,
  work: Promise<T>,
): Promise<T | AddonApiRefusal> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof AddonApiRefusal && harmless(error)) return error;
    throw error;
  }
}
