type Environment = Record<string, string | undefined>;

/** The HTTP proxy that the Heroku CLI's variables tell for requests to `url`; undefined when there is none. */
export function proxyFor(url: URL, environment: Environment = process.env): URL | undefined {
  const read = (name: string) => environment[name] || environment[name.toLowerCase()];
  const address = (url.protocol === 'https:' && read('HTTPS_PROXY')) || read('HTTP_PROXY');
  if (!address || isLoopback(url.hostname) || isExcepted(url.hostname, read('NO_PROXY') ?? '')) return undefined;
  return new URL(/^https?:\/\//.test(address) ? address : `http://${address}`);
}

/** No proxy can reach what runs on this machine, so the local installation works whatever the variables say. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
}

/** `NO_PROXY` lists names, with their subdomains, or is `*`. */
function isExcepted(hostname: string, list: string): boolean {
  const names = list.split(',').map((name) => name.trim().replace(/^\./, ''));
  return names.some((name) => name === '*' || (name !== '' && `.${hostname}`.endsWith(`.${name}`)));
}

/** The port of a proxy that tells none, as the CLI has it. */
const DEFAULT_PORT = 8080;

/** Where to connect to for the proxy, and what to tell it about who asks. */
export function proxyOptions(proxy: URL): { host: string; port: number; headers: Record<string, string> } {
  const { username, password, hostname, port } = proxy;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || DEFAULT_PORT),
    headers: username ? { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` } : {},
  };
}
