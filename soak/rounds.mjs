import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { offeredRelease } from '@borealis/postgres';
import { until } from '../bench/run.mjs';
import { ID, SPEC } from './cluster.mjs';

const PATIENCE = { seconds: 600, everyMs: 50 };
const LARGE = { vcpu: 2, memoryGiB: 4 };

/** Processes of a node's server, the postmaster first. */
async function processesOf(cluster, node) {
  const pid = Number((await readFile(`${await cluster.dataOf(node)}/postmaster.pid`, 'utf8')).split('\n')[0]);
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return [pid, ...children.trim().split(' ').filter(Boolean).map(Number)];
}

function signal(pids, name) {
  for (const pid of pids)
    try {
      process.kill(pid, name);
    } catch {
      // It has ended by itself, as its postmaster has.
    }
}

/** A round in which the primary of a protected cluster is lost; another one has to take its place. */
function failover(name, strike) {
  return {
    name,
    how: 'crash',
    async run(cluster) {
      const { primary, generation } = await cluster.record();
      const pids = await processesOf(cluster, primary);
      strike(pids);
      await until('another primary', async () => (await cluster.record()).generation > generation, PATIENCE);
      const now = await cluster.record();
      if (now.primary === primary) throw new Error(`The node ${primary} is the primary again.`);
    },
  };
}

export const FAILOVERS = [
  failover('kill -9 of the postmaster', ([postmaster]) => signal([postmaster], 'SIGKILL')),
  failover('kill -9 of every process', (pids) => signal(pids, 'SIGKILL')),
  failover('SIGSTOP of every process', (pids) => signal(pids, 'SIGSTOP')),
];

/** The newest release of a major, and the one before it. */
function releases(ofMajor) {
  const newest = offeredRelease(ofMajor).version;
  const [major, minor] = newest.split('.').map(Number);
  return [newest, `${major}.${minor - 1}`];
}

export const UPGRADES = [
  {
    name: 'a minor upgrade',
    how: 'planned',
    async run(cluster) {
      const { version, spec } = await cluster.engine.cluster(ID);
      const wanted = { request: randomUUID(), version: releases(spec.major).find((one) => one !== version) };
      const ask = () => cluster.engine.upgradeMinor(ID, { ...wanted, force: false, patienceSeconds: 120 });
      const outcome = await ended(ask);
      if (outcome.state === 'failed') throw new Error(`The upgrade to ${outcome.to} failed: ${outcome.reason}`);
      return `from ${outcome.from} to ${outcome.to}, ${describePause(outcome)}`;
    },
  },
];

/** What comes of a change of the version: the same call, until it has an end. */
function ended(ask) {
  const look = async () => {
    const answer = await ask();
    return answer.state !== 'running' && answer;
  };
  return until('the end of the upgrade', look, PATIENCE);
}

const describePause = ({ pauseMs, kept }) => `queries waited ${pauseMs} ms, ${kept} sessions kept`;

async function moveMajor(ask) {
  const outcome = await ended(ask);
  if (outcome.state !== 'done') throw new Error(`It did not come to another major: ${JSON.stringify(outcome)}`);
  return `from ${outcome.from} to ${outcome.to}, ${describePause(outcome)}`;
}

async function toNextMajor(cluster) {
  const { spec } = await cluster.engine.cluster(ID);
  const major = String(Number(spec.major) + 1);
  const wanted = { request: randomUUID(), major, patienceSeconds: 120 };
  return moveMajor(() => cluster.engine.upgradeMajor(ID, wanted));
}

export const MAJOR_UPGRADES = [
  { name: 'a major upgrade', how: 'planned', run: toNextMajor },
  {
    name: 'a major upgrade, the way back, and again',
    how: 'planned',
    async run(cluster) {
      const there = await toNextMajor(cluster);
      await cluster.untilProtected();
      const wanted = { request: randomUUID(), patienceSeconds: 120 };
      const back = await moveMajor(() => cluster.engine.revertMajorUpgrade(ID, wanted));
      await cluster.untilProtected();
      return [there, back, await toNextMajor(cluster)].join('; ');
    },
  },
];

async function change(cluster, part) {
  const { spec } = await cluster.record();
  await cluster.engine.changeCluster(ID, {
    ...SPEC,
    major: spec.major,
    nodes: spec.nodes,
    vcpu: spec.vcpu,
    memoryGiB: spec.memoryGiB,
    ...part,
  });
  await cluster.untilProtected();
  const { changeFailure } = await cluster.engine.cluster(ID);
  if (changeFailure) throw new Error(`The change was taken back: ${changeFailure}`);
}

export const PLAN_CHANGES = [
  {
    name: 'another size',
    how: 'planned',
    async run(cluster) {
      const { spec } = await cluster.record();
      await change(cluster, spec.memoryGiB === SPEC.memoryGiB ? LARGE : { vcpu: SPEC.vcpu, memoryGiB: SPEC.memoryGiB });
    },
  },
  ...[3, 1].map((nodes) => ({
    name: `${nodes} nodes and back`,
    how: 'planned',
    async run(cluster) {
      await change(cluster, { nodes });
      await change(cluster, { nodes: SPEC.nodes });
    },
  })),
];
