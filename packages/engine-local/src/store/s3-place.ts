import { StoreError } from './object-store.js';

/** A bucket of an S3-compatible service, or a part of it. */
export interface S3Place {
  bucket: string;
  /** Without a slash at its ends; empty: the whole bucket. */
  prefix: string;
}

const NAME = '[A-Za-z0-9][A-Za-z0-9._-]*';
const PLACE = new RegExp(`^s3://(${NAME})(?:/(${NAME}(?:/${NAME})*))?/*$`);

/**
 * The place that `s3://bucket/prefix` names; null for what is no such address at all. Throws a `StoreError` for one that is wrong, without
 * repeating it: people write credentials into addresses.
 */
export function parseS3Place(location: string): S3Place | null {
  if (!/^s3:/i.test(location)) return null;
  const match = PLACE.exec(location);
  if (match) return { bucket: match[1]!, prefix: match[2] ?? '' };
  throw new StoreError(
    'refused',
    'This is no store: one in S3 is s3://bucket or s3://bucket/prefix, of letters, digits, ".", "_" and "-"; all else comes from the environment of the AWS SDK.',
  );
}

/** As `parseS3Place` takes it, and for people. */
export function showS3Place({ bucket, prefix }: S3Place): string {
  return prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
}
