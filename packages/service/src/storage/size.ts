/** Bytes as people read them: in MiB below one GiB, in GiB from there on. */
export function formatSize(bytes: number): string {
  return bytes < 1024 ** 3 ? `${Math.round(bytes / 1024 ** 2)} MiB` : `${(bytes / 1024 ** 3).toFixed(2)} GiB`;
}
