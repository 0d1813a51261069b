import { createHash, X509Certificate } from 'node:crypto';

/** Hash for tls-server-end-point by the certificate's signature algorithm (RFC 5929: MD5 and SHA-1 give way to SHA-256). */
const HASH_OF_SIGNATURE: Record<string, string> = {
  '2a864886f70d010104': 'sha256', // md5WithRSAEncryption
  '2a864886f70d010105': 'sha256', // sha1WithRSAEncryption
  '2a864886f70d01010e': 'sha224', // sha224WithRSAEncryption
  '2a864886f70d01010b': 'sha256', // sha256WithRSAEncryption
  '2a864886f70d01010c': 'sha384', // sha384WithRSAEncryption
  '2a864886f70d01010d': 'sha512', // sha512WithRSAEncryption
  '2a8648ce3d0401': 'sha256', // ecdsa-with-SHA1
  '2a8648ce3d040301': 'sha224', // ecdsa-with-SHA224
  '2a8648ce3d040302': 'sha256', // ecdsa-with-SHA256
  '2a8648ce3d040303': 'sha384', // ecdsa-with-SHA384
  '2a8648ce3d040304': 'sha512', // ecdsa-with-SHA512
};

/** The tls-server-end-point data for the first certificate of a PEM; null where none is defined (Ed25519, RSA-PSS). */
export function endPointHash(pem: string): Buffer | null {
  const der = new X509Certificate(pem).raw;
  const hash = HASH_OF_SIGNATURE[signatureOid(der)];
  return hash ? createHash(hash).update(der).digest() : null;
}

/** Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { algorithm OID, ... }, ... } */
function signatureOid(der: Buffer): string {
  const tbs = element(der, element(der, 0).start);
  const oid = element(der, element(der, tbs.end).start);
  return der.toString('hex', oid.start, oid.end);
}

/** Where the content of the DER element at `at` starts and ends. */
function element(der: Buffer, at: number): { start: number; end: number } {
  const short = der[at + 1]!;
  if (short < 0x80) return { start: at + 2, end: at + 2 + short };
  const lengthBytes = short & 0x7f;
  const start = at + 2 + lengthBytes;
  return { start, end: start + der.readUIntBE(at + 2, lengthBytes) };
}
