/** `2022-11-23T03:04:24Z`, as the Platform API writes times. */
export function apiTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
