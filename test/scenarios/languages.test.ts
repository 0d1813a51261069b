import { afterAll, beforeAll, expect } from 'vitest';
import { complaintAbout } from '../support/as-printed.js';
import { Installation } from '../support/installation.js';
import { languages } from '../support/languages.js';
import { expectReach } from '../support/reach.js';
import { scenario } from '../support/scenario.js';

// Node.js and Python are in clients.test.ts, for the default suite.
let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start();
  await installation.createAddon('polyglot');
});

afterAll(() => installation.stop());

const works = (heading: keyof typeof languages) => () => expectReach(installation, 'polyglot', heading);

scenario.fullWithTools('Ruby connects with the program of docs/clients.md', languages.Ruby, works('Ruby'));

scenario.fullWithTools('Django connects with the program of docs/clients.md', languages.Django, works('Django'));

scenario.fullWithTools('Java connects with the program of docs/clients.md', languages.Java, works('Java'));

scenario.fullWithTools('Go connects with the program of docs/clients.md', languages.Go, works('Go'));

scenario.fullWithTools('PHP connects with the program of docs/clients.md', languages.PHP, works('PHP'));

scenario.fullWithTools(
  'PHP Data Objects connect with the program of docs/clients.md',
  languages['PHP Data Objects'],
  works('PHP Data Objects'),
);

scenario.fullWithTools('Ruby’s snippet fails as printed: libpq has no such keyword', languages.Ruby, async () => {
  expect(complaintAbout('Ruby')).toContain('invalid connection option "connection_string"');
});

scenario.full('the snippet for Node.js fails as printed: await beside require', async () => {
  expect(complaintAbout('Node.js')).toMatch(/await is only valid|require is not defined/);
});

scenario.fullWithTools('Go’s snippet fails as printed: imports are missing', languages.Go, async () => {
  expect(complaintAbout('Go')).toMatch(/undefined: os[\s\S]*undefined: log/);
});

scenario.fullWithTools('the PDO snippet fails as printed: a semicolon is missing', languages.PHP, async () => {
  expect(complaintAbout('PHP Data Objects')).toMatch(/syntax error/);
});
