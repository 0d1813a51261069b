import { TENANT_BOUNDS, type TenantProcess } from '@borealis/postgres';
import { describe, expect, test } from 'vitest';
import { offences } from '../src/tenants/offences.js';
import { Written } from '../src/tenants/written.js';

const MIB = 1024 * 1024;
let lastPid = 100;

function process(changes: Partial<TenantProcess> = {}): TenantProcess {
  const quiet = { maintenance: false, unread: false, notifying: false, transactionSeconds: 0, statementSeconds: 0 };
  const empty = { idleInTransactionSeconds: 0, locks: 0, temporaryBytes: 0 };
  return { pid: lastPid++, started: 'then', database: 'a', ...quiet, ...empty, ...changes };
}

function ended(processes: TenantProcess[], queueMiB = 0, memoryMiB = 0): number[] {
  const memory = new Map(processes.map(({ pid }) => [pid, memoryMiB * MIB]));
  const use = { processes, notificationQueueBytes: queueMiB * MIB };
  return offences(use, TENANT_BOUNDS, memory).map((offence) => offence.process.pid);
}

describe('the bounds of a tenant', () => {
  test('end nobody who is at them', () => {
    const bounds = TENANT_BOUNDS;
    const { transactionSeconds, statementSeconds, idleInTransactionSeconds, locks } = bounds;
    expect(
      ended(
        [
          process({ transactionSeconds, statementSeconds, idleInTransactionSeconds, locks }),
          process({ database: 'b' }),
        ],
        bounds.notificationQueueMiB,
        bounds.memoryMiB,
      ),
    ).toEqual([]);
  });

  test.each([
    { transactionSeconds: TENANT_BOUNDS.transactionSeconds + 1 },
    { statementSeconds: TENANT_BOUNDS.statementSeconds + 1 },
    { idleInTransactionSeconds: TENANT_BOUNDS.idleInTransactionSeconds + 1 },
    { maintenance: true, transactionSeconds: TENANT_BOUNDS.maintenanceSeconds + 1 },
    { locks: TENANT_BOUNDS.locks + 1 },
    { temporaryBytes: TENANT_BOUNDS.temporaryFilesMiB * MIB + 1 },
  ])('end who is beyond %o, and nobody else', (beyond) => {
    const guilty = process(beyond);
    expect(ended([process(), guilty, process({ database: 'b' })])).toEqual([guilty.pid]);
  });

  test('count what all sessions of a tenant have, and end the one that has most', () => {
    const half = TENANT_BOUNDS.locks / 2;
    const most = process({ locks: half + 2 });
    expect(ended([process({ locks: half }), most, process({ database: 'b', locks: half })])).toEqual([most.pid]);
    const one = process();
    expect(ended([one, process(), process({ database: 'b' })], 0, TENANT_BOUNDS.memoryMiB / 2 + 1)).toEqual([one.pid]);
  });

  test('blame a long queue on who fills it first, and then on who holds it up', () => {
    const sender = process({ notifying: true });
    const ownListener = process({ transactionSeconds: 1 });
    const otherListener = process({ database: 'b', transactionSeconds: 60 });
    const stuck = process({ database: 'b', unread: true });
    const all = [sender, ownListener, otherListener, stuck, process({ database: 'c', transactionSeconds: 1 })];
    const bound = TENANT_BOUNDS.notificationQueueMiB;
    expect(ended(all, bound + 1)).toEqual([sender.pid, ownListener.pid]);
    expect(ended(all, bound * 2)).toEqual([sender.pid, ownListener.pid, otherListener.pid, stuck.pid]);
  });
});

describe('what a tenant writes', () => {
  const { writtenMiB, writtenMiBPerMinute } = TENANT_BOUNDS;
  const writer = process();
  const total = (mib: number) => new Map([[writer.pid, mib * MIB]]);

  test('is not counted from before the keeper looked', () => {
    const written = new Written(TENANT_BOUNDS);
    expect(written.note([writer], total(writtenMiB * 2), 0)).toEqual([]);
    expect(written.note([writer], total(writtenMiB * 3), 1000)).toEqual([]);
    expect(written.note([writer], total(writtenMiB * 3 + writtenMiBPerMinute), 2000)).toHaveLength(1);
  });

  test('is given back minute by minute, and counted whole for who is new', () => {
    const written = new Written(TENANT_BOUNDS);
    written.note([], new Map(), 0);
    expect(written.note([writer], total(writtenMiB), 1)).toEqual([]);
    const minute = total(writtenMiB + writtenMiBPerMinute * 0.9);
    expect(written.note([writer], minute, 60_000)).toEqual([]);
    const next = process();
    const found = written.note([writer, next], new Map([...minute, [next.pid, writtenMiBPerMinute * MIB]]), 61_000);
    expect(found.map((offence) => offence.process.pid)).toEqual([next.pid]);
  });
});
