import { expect, test } from 'vitest';
import { ConfigError, readConfig } from '../src/config.js';

test('nothing set means the documented defaults, below the project', () => {
  expect(readConfig({}, '/project')).toMatchObject({
    home: '/project/.borealis',
    platformPort: 5080,
    apiPort: 5081,
    tunnelHost: 'pg-tunnel.borealis-data.com',
    gatewayPublicHost: null,
    smtpUrl: null,
    mailPort: 0,
    gatewayPorts: { first: 22_000, last: 22_999 },
  });
});

test.each([
  ['/somewhere/else', '/somewhere/else'],
  ['store', '/project/store'],
  ['s3://bucket/prefix', 's3://bucket/prefix'],
  ['ftp://no.store', 'ftp://no.store'],
])('a store at %s is one at %s', (location, read) => {
  expect(readConfig({ BOREALIS_STORE: location }, '/project').store).toBe(read);
});

test('an empty variable counts as not set', () => {
  expect(readConfig({ BOREALIS_API_PORT: '' }, '/project').apiPort).toBe(5081);
});

test.each([
  ['BOREALIS_API_PORT', '70000'],
  ['BOREALIS_API_PORT', 'http'],
  ['BOREALIS_GATEWAY_PORTS', '5'],
  ['BOREALIS_GATEWAY_PORTS', '30000-20000'],
  ['BOREALIS_MASTER_KEY', 'short'],
  ['BOREALIS_OWNER_EMAIL', 'nobody'],
  ['BOREALIS_SMTP_URL', 'mail.example.com'],
  ['BOREALIS_SMTP_URL', 'http://mail.example.com'],
  ['BOREALIS_MAIL_FROM', 'nobody'],
  ['BOREALIS_MAIL_FROM', 'Me <me@example.com>\r\nBcc: you@example.com'],
])('%s=%s is refused by name', (name, value) => {
  expect(() => readConfig({ [name]: value }, '/project')).toThrow(ConfigError);
  expect(() => readConfig({ [name]: value }, '/project')).toThrow(`${name} cannot be used`);
});

test.each([
  ['BOREALIS_MASTER_KEY', 'aHVudGVyMg=='],
  ['BOREALIS_SMTP_URL', 'https://user:aHVudGVyMg@mail.example.com'],
])('a refused secret is not repeated: %s', (name, value) => {
  const attempt = () => readConfig({ [name]: value }, '/project');
  expect(attempt).toThrow(ConfigError);
  expect(attempt).not.toThrow('aHVudGVyMg');
});
