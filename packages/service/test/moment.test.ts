import { expect, test } from 'vitest';
import { parseMoment } from '../src/restore/moment.js';

test.each([
  ['2023-03-05T15:05:17.485-08:00', '2023-03-05T23:05:17.485000Z'],
  ['2023-03-05T23:05:17.123456Z', '2023-03-05T23:05:17.123456Z'],
  ['2023-03-05t23:05:17,5z', '2023-03-05T23:05:17.500000Z'],
  ['2023-03-05 23:05+05:45', '2023-03-05T17:20:00.000000Z'],
  ['2023-12-31T23:59:59.999999-0930', '2024-01-01T09:29:59.999999Z'],
  ['2024-02-29T00:00:00+14', '2024-02-28T10:00:00.000000Z'],
])('%s is %s', (text, moment) => {
  expect(parseMoment(text)).toBe(moment);
});

test.each(['2023-03-05T15:05:17', '2023-03-05 15:05', '2023-03-05T15:05:17.123456'])(
  '%s has no zone, which is told',
  (text) => {
    expect(() => parseMoment(text)).toThrow(`"${text}", has no zone. Add Z for UTC or the zone's offset: ${text}Z`);
  },
);

test.each([
  'yesterday',
  '',
  '2023-03-05',
  '2023-03-05Z',
  '2023-02-30T00:00:00Z',
  '2023-13-01T00:00:00Z',
  '2023-03-05T24:00:00Z',
  '2023-03-05T15:05:60Z',
  '2023-03-05T15:05:17.1234567Z',
  '2023-03-05T15:05:17+24:00',
  '2023-03-05T15:05:17+01:60',
  '2023-03-05T15:05:17 PST',
  '2023-03-05T15:05:17ZZ',
  '0000-01-01T00:00:00+01:00',
  '9999-12-31T23:59:59-01:00',
  '20230305T150517Z',
  '1678057517',
  'x'.repeat(5000),
])('%s is not understood, and the sentence says what is', (text) => {
  expect(() => parseMoment(text)).toThrow(
    /is not understood\. Allowed is a date and a time in ISO 8601 with a zone.*-08:00\.$/,
  );
});
