/** Where a strand can be; SPEC.md tells each from the columns of its row. */
export type State = 'ready' | 'sleeping' | 'running' | 'orphaned' | 'parked' | 'gone';

/** What can happen to it. The first seven come from a worker, the others from outside. */
export type Event =
  | 'claim'
  | 'go'
  | 'nap'
  | 'done'
  | 'fail'
  | 'giveUp'
  | 'leaseEnds'
  | 'timePasses'
  | 'signal'
  | 'destroy'
  | 'retry';

/** `refused`: the event is told no and changes nothing. */
export type Expected = State | 'refused';

/** Complete on purpose: a new state or event does not compile until every cell is thought through. */
export const transitions: Record<State, Record<Event, Expected>> = {
  ready: {
    claim: 'running',
    go: 'refused',
    nap: 'refused',
    done: 'refused',
    fail: 'refused',
    giveUp: 'refused',
    leaseEnds: 'ready',
    timePasses: 'ready',
    signal: 'ready',
    destroy: 'ready',
    retry: 'refused',
  },
  sleeping: {
    claim: 'refused',
    go: 'refused',
    nap: 'refused',
    done: 'refused',
    fail: 'refused',
    giveUp: 'refused',
    leaseEnds: 'sleeping',
    timePasses: 'ready',
    signal: 'ready',
    destroy: 'ready',
    retry: 'refused',
  },
  running: {
    claim: 'refused',
    go: 'ready',
    nap: 'sleeping',
    done: 'gone',
    fail: 'sleeping',
    giveUp: 'parked',
    leaseEnds: 'orphaned',
    timePasses: 'running',
    signal: 'running',
    destroy: 'running',
    retry: 'refused',
  },
  // The old holder may still be alive: until another one claims, its outcome counts.
  orphaned: {
    claim: 'running',
    go: 'ready',
    nap: 'sleeping',
    done: 'gone',
    fail: 'sleeping',
    giveUp: 'parked',
    leaseEnds: 'orphaned',
    timePasses: 'orphaned',
    signal: 'orphaned',
    destroy: 'orphaned',
    retry: 'refused',
  },
  parked: {
    claim: 'refused',
    go: 'refused',
    nap: 'refused',
    done: 'refused',
    fail: 'refused',
    giveUp: 'refused',
    leaseEnds: 'parked',
    timePasses: 'parked',
    signal: 'parked',
    destroy: 'ready',
    retry: 'ready',
  },
  gone: {
    claim: 'refused',
    go: 'refused',
    nap: 'refused',
    done: 'refused',
    fail: 'refused',
    giveUp: 'refused',
    leaseEnds: 'gone',
    timePasses: 'gone',
    signal: 'refused',
    destroy: 'refused',
    retry: 'refused',
  },
};
