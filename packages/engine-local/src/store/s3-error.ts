import { StoreError, type StoreFault } from './object-store.js';

/** What the SDK throws for an answer of the service, and for what keeps it from asking. */
interface SdkError {
  name?: string;
  code?: string;
  message?: string;
  $metadata?: { httpStatusCode?: number };
}

const FULL = ['QuotaExceeded', 'EntityTooLarge', 'InsufficientStorage'];

/**
 * The sentence for what failed there. What the SDK threw does not go along as its cause: the service's answers may repeat what signed the
 * request, a session's token among it.
 */
export function explainS3(error: unknown, location: string): StoreError {
  if (error instanceof StoreError) return error;
  const { name = '', message = '', $metadata } = error as SdkError;
  const status = $metadata?.httpStatusCode ?? 0;
  const reason = reasonOf(error as SdkError);
  if (FULL.includes(name) || status === 507)
    return new StoreError('full', `There is no room left in the store ${location}: ${reason}.`);
  if (/^Region is missing/.test(message))
    return new StoreError('refused', `The store ${location} cannot be asked: AWS_REGION says no region.`);
  if (/^Region not accepted/.test(message))
    return new StoreError('refused', `The store ${location} cannot be asked: ${reason}.`);
  if (name === 'CredentialsProviderError')
    return new StoreError(
      'refused',
      `The store ${location} cannot be asked: there are no credentials (${textOf(message)}).`,
    );
  const [fault, what]: [StoreFault, string] = isRefusal(name, status)
    ? ['refused', 'refuses']
    : ['unavailable', 'does not answer as it should'];
  return new StoreError(fault, `The store ${location} ${what}: ${reason}.`);
}

function isRefusal(name: string, status: number): boolean {
  return name === 'NoSuchBucket' || name === 'InvalidBucketName' || [301, 401, 403].includes(status);
}

/** Addresses that were all tried give an error without a message. */
function reasonOf({ name, code, message }: SdkError): string {
  const text = textOf(message ?? '');
  const kind = code ?? (name === 'Error' ? undefined : name);
  if (text === '' || text === 'UnknownError') return kind ?? 'no reason was given';
  return kind === undefined || text.includes(kind) ? text : `${kind}: ${text}`;
}

function textOf(message: string): string {
  return message.split('\n')[0]!.trim().replace(/\.$/, '');
}
