import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Store } from '../src/store/store.js';
import { temporaryDirectory } from './setup.js';

const user = (id: string) => ({ id, email: `${id}@example.com`, createdAt: 0 });

test('what was committed is there after a reopening, whatever was cut off behind it', () => {
  const directory = temporaryDirectory();
  const store = new Store(directory);
  store.commit((tx) => tx.put('users', user('a')));
  store.commit((tx) => {
    tx.put('users', user('b'));
    tx.delete('users', 'a');
  });
  store.close();
  const journal = join(directory, 'journal.jsonl');
  const whole = readFileSync(journal);
  const secondLine = whole.indexOf(0x0a) + 1;
  for (let length = 0; length <= whole.length; length += 7) {
    writeFileSync(journal, whole.subarray(0, length));
    const reopened = new Store(directory);
    const ids = reopened.all('users').map((row) => row.id);
    expect(ids).toEqual(length < secondLine ? [] : length < whole.length ? ['a'] : ['b']);
    reopened.close();
  }
});

test('a transaction that throws leaves no trace, in memory and on disk', () => {
  const directory = temporaryDirectory();
  const store = new Store(directory);
  store.commit((tx) => tx.put('users', user('a')));
  const failing = () =>
    store.commit((tx) => {
      tx.put('users', user('b'));
      tx.delete('users', 'a');
      throw new Error('no');
    });
  expect(failing).toThrow('no');
  expect(store.all('users')).toEqual([user('a')]);
  store.close();
  expect(new Store(directory).all('users')).toEqual([user('a')]);
});

test('compaction keeps everything, also when the process dies before the journal is emptied', () => {
  const directory = temporaryDirectory();
  const store = new Store(directory);
  for (const id of ['a', 'b', 'c']) store.commit((tx) => tx.put('users', user(id)));
  store.commit((tx) => tx.delete('users', 'b'));
  const journal = readFileSync(join(directory, 'journal.jsonl'));
  store.compact();
  store.commit((tx) => tx.put('users', user('d')));
  store.close();
  const read = () => new Store(directory).all('users').map((row) => row.id);
  expect(read()).toEqual(['a', 'c', 'd']);
  writeFileSync(join(directory, 'journal.jsonl'), journal);
  expect(read().sort()).toEqual(['a', 'c']);
});

test('damage in the middle is reported, not skipped', () => {
  const directory = temporaryDirectory();
  new Store(directory).close();
  appendFileSync(join(directory, 'journal.jsonl'), 'garbage\n[]\n');
  expect(() => new Store(directory)).toThrow(/journal\.jsonl is damaged at line 1/);
});
