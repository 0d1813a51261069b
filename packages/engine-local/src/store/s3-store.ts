import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandInput,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type MultipartUpload,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { withChecksum, withoutChecksum } from './checksum.js';
import { checkName, type ObjectStore, type StoredObject, StoreError } from './object-store.js';
import { explainS3 } from './s3-error.js';
import { type S3Place, showS3Place } from './s3-place.js';

/** An object that is larger goes in several requests and appears with the last one. One part at a time is in memory. */
const PART_BYTES = 32 * 1024 * 1024;

/** Each of the SDK's three tries. A keeper that is told to end waits for them, and is killed after a minute. */
const CONNECT_MS = 5000;
/** So long nothing at all may move in a try. */
const SILENCE_MS = 60_000;

/**
 * A store in a bucket of any S3-compatible service. Where the service is, its region and the credentials come from where the AWS SDK looks
 * for them.
 */
export class S3Store implements ObjectStore {
  readonly location: string;
  readonly #place: S3Place;
  readonly #client: S3Client;

  constructor(place: S3Place) {
    this.#place = place;
    this.location = showS3Place(place);
    // It would tell the operator's terminal which Node.js its later versions need.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
    this.#client = new S3Client({
      // A service of one's own seldom has a host name for each bucket.
      forcePathStyle: Boolean(process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL),
      // Not every service knows the newer checksums; objects have one of their own.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
    });
  }

  async put(name: string, content: AsyncIterable<Buffer>): Promise<void> {
    const source = new Source(withChecksum(content));
    const body = Readable.from(source.read(), { objectMode: false });
    try {
      const params = { ...this.#object(name), Body: body };
      await new Upload({ client: this.#client, params, partSize: PART_BYTES, queueSize: 1 }).done();
    } catch (error) {
      throw source.failure ?? explainS3(error, this.location);
    } finally {
      body.destroy();
    }
  }

  async *get(name: string): AsyncGenerator<Buffer> {
    yield* withoutChecksum(this.#read(name), `The object "${name}" in ${this.location}`);
  }

  async list(prefix: string): Promise<StoredObject[]> {
    const found: StoredObject[] = [];
    let token: string | undefined;
    do {
      const where = { Bucket: this.#place.bucket, Prefix: this.#key(prefix), ContinuationToken: token };
      const page = await this.#explained(this.#client.send(new ListObjectsV2Command(where)));
      for (const { Key, Size, LastModified } of page.Contents ?? [])
        found.push({ name: this.#nameOf(Key!), bytes: Size ?? 0, at: LastModified ?? new Date(0) });
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async remove(name: string): Promise<void> {
    const removal = this.#client.send(new DeleteObjectCommand(this.#object(name)));
    await this.#explained(removal.catch(unlessGone('NoSuchKey')));
  }

  async removeUnfinished(prefix: string): Promise<void> {
    const { bucket: Bucket } = this.#place;
    for (const { Key, UploadId } of await this.#unfinished(prefix)) {
      const abort = this.#client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
      await this.#explained(abort.catch(unlessGone('NoSuchUpload')));
    }
  }

  async #unfinished(prefix: string): Promise<MultipartUpload[]> {
    const found: MultipartUpload[] = [];
    let after: Pick<ListMultipartUploadsCommandInput, 'KeyMarker' | 'UploadIdMarker'> | null = {};
    while (after) {
      const command = new ListMultipartUploadsCommand({
        Bucket: this.#place.bucket,
        Prefix: this.#key(prefix),
        ...after,
      });
      const page: ListMultipartUploadsCommandOutput = await this.#explained(this.#client.send(command));
      found.push(...(page.Uploads ?? []));
      after = page.IsTruncated ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : null;
    }
    return found;
  }

  async *#read(name: string): AsyncGenerator<Buffer> {
    try {
      const { Body } = await this.#client.send(new GetObjectCommand(this.#object(name)));
      for await (const part of Body as Readable) yield part as Buffer;
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey')
        throw new StoreError('missing', `There is no object "${name}" in ${this.location}.`);
      throw explainS3(error, this.location);
    }
  }

  #object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#place.bucket, Key: this.#key(checkName(name)) };
  }

  #key(name: string): string {
    return this.#place.prefix === '' ? name : `${this.#place.prefix}/${name}`;
  }

  #nameOf(key: string): string {
    return this.#place.prefix === '' ? key : key.slice(this.#place.prefix.length + 1);
  }

  async #explained<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: unknown) => {
      throw explainS3(error, this.location);
    });
  }
}

/** Some services say it of what is gone already. */
function unlessGone(code: string): (error: unknown) => void {
  return (error) => {
    if ((error as Error).name !== code) throw error;
  };
}

/** Keeps what the content's own source has thrown, which the SDK would wrap. */
class Source {
  failure: unknown = null;

  constructor(private readonly content: AsyncIterable<Buffer>) {}

  async *read(): AsyncGenerator<Buffer> {
    try {
      yield* this.content;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}
