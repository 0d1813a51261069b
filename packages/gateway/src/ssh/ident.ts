/** RFC 4253, 4.2: the identification line has at most 255 characters, CR LF included. */
export const MAX_IDENT = 255;

/** Which cipher offer a client gets: `fast` is AES-GCM alone, `compat` adds what clients without AEAD ciphers need. */
export type Profile = 'fast' | 'compat';

export type IdentScan = { done: false } | { done: true; line: string | null };

/**
 * Looks for the identification line at the start of what a client has sent. `done` with a null line: it can only be
 * garbage (too long), which ssh2 will refuse by itself.
 */
export function scanIdent(bytes: Buffer): IdentScan {
  const end = bytes.subarray(0, MAX_IDENT).indexOf(0x0a);
  if (end === -1) return bytes.length >= MAX_IDENT ? { done: true, line: null } : { done: false };
  return { done: true, line: bytes.toString('latin1', 0, end).replace(/\r$/, '') };
}

/**
 * The offer for a client by its identification line. The client's order of ciphers wins in SSH, and OpenSSH prefers slow
 * ones: offering it AES-GCM alone makes it take that. OpenSSH has AES-GCM since 6.2; 7 is where strict key exchange
 * was first back-ported to. Our own clients say `borealis`.
 */
export function profileFor(line: string | null): Profile {
  const software = /^SSH-(?:2\.0|1\.99)-([^ ]*)/.exec(line ?? '')?.[1] ?? '';
  if (/^borealis/i.test(software)) return 'fast';
  const major = /^OpenSSH_(\d{1,4})\./.exec(software)?.[1];
  return major !== undefined && Number(major) >= 7 ? 'fast' : 'compat';
}
