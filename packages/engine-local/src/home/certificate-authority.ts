import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { Secret } from '@borealis/contract';
import * as x509 from '@peculiar/x509';
import { readIfPresent, writeFileAtomic } from '../system/files.js';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY = 24 * 60 * 60 * 1000;
/** Longer-lived server certificates are refused by macOS. */
const LEAF_DAYS = 825;
const AUTHORITY_DAYS = 3653;
/** Clocks of clients may be a little behind. */
const BACKDATE = DAY;

export interface LeafCertificate {
  /** PEM. */
  certificate: string;
  /** PEM, PKCS #8. */
  privateKey: Secret;
  /** ISO time. */
  notAfter: string;
}

/** Signs the clusters' certificates. Its key never leaves this object or its 0600 file. */
export class CertificateAuthority {
  private constructor(
    /** PEM of the authority's own certificate. */
    readonly certificate: string,
    private readonly key: webcrypto.CryptoKey,
  ) {}

  /** Adopts the authority kept in that directory, or makes one. Key and certificate are one file: never one without the other. */
  static async open(directory: string): Promise<CertificateAuthority> {
    const path = join(directory, 'authority.pem');
    const text = (await readIfPresent(path)) ?? (await createAuthority(path));
    const [key, certificate] = x509.PemConverter.decodeWithHeaders(text);
    if (!key || !certificate) throw new Error(`${path} does not hold a key and a certificate.`);
    const imported = await webcrypto.subtle.importKey('pkcs8', key.rawData, ALGORITHM, false, ['sign']);
    return new CertificateAuthority(new x509.X509Certificate(certificate.rawData).toString('pem'), imported);
  }

  /** A server certificate for these names and addresses, with a fresh key. */
  async issue(commonName: string, names: readonly string[]): Promise<LeafCertificate> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const notAfter = new Date(Date.now() + LEAF_DAYS * DAY - BACKDATE);
    const authority = new x509.X509Certificate(this.certificate);
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${commonName}`,
      issuer: authority.subject,
      notBefore: new Date(Date.now() - BACKDATE),
      notAfter,
      publicKey: keys.publicKey,
      signingKey: this.key,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }))),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(authority),
      ],
    });
    return {
      certificate: certificate.toString('pem'),
      privateKey: new Secret(await exportKey(keys.privateKey)),
      notAfter: notAfter.toISOString(),
    };
  }
}

async function createAuthority(path: string): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Borealis Isolated Postgres CA',
    notBefore: new Date(Date.now() - BACKDATE),
    notAfter: new Date(Date.now() + AUTHORITY_DAYS * DAY),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const text = `${await exportKey(keys.privateKey)}\n${certificate.toString('pem')}\n`;
  await writeFileAtomic(path, text, 0o600);
  return text;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}
