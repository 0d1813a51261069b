import { defineStrand, type LabelContext, type Outcome } from '@borealis/strands';
import { z } from 'zod';
import { announcePlan, changePlan } from '../plans/changing.js';
import { crossPlan } from '../plans/crossing.js';
import { endFormerCredentials } from '../rotation/ending.js';
import { announceCredentials, makeNextCredentials } from '../rotation/renewing.js';
import type { AddonWork } from './addon-work.js';
import { giveUp } from './giving-up.js';
import * as provisioning from './provisioning.js';
import { destroyCluster, forget } from './removal.js';
import { serve } from './serving.js';

// Everything a label needs stands in the add-on's rows, so that requests and the strand see the same.
const frame = z.object({});
type Frame = z.infer<typeof frame>;

type Step<Label extends string> = (work: AddonWork, id: string) => Promise<Outcome<Label, Frame>>;

/**
 * The life of one add-on, under the add-on's id: made, announced to the platform, looked after, and removed on `destroy` from
 * wherever it is. Signals: `access` (the access document changed), `grant` (a new authorization came), `rotate` (credentials are to be
 * renewed), `plan` (it is to have another plan), `destroy`.
 */
export function addonStrand(work: AddonWork) {
  // Whatever was signalled is seen in the rows: labels compare what is wanted with what is there, and need not ask who called.
  const run =
    <Label extends string>(step: Step<Label>) =>
    async (context: LabelContext<Frame>) => {
      for (const signal of context.signals) context.consume(signal);
      await work.atLabel?.('before', context.label);
      const outcome = await step(work, context.strandId);
      await work.atLabel?.('after', context.label);
      return outcome;
    };
  return defineStrand<Frame>()({
    name: 'addon',
    frame,
    start: 'exchangeGrant',
    destroy: 'destroyCluster',
    destroying: ['forget'],
    labels: {
      exchangeGrant: {
        sentence: 'Taking up the authorization of the platform',
        run: run(provisioning.exchangeGrant),
        deadlineSeconds: 240,
      },
      createCluster: { sentence: 'Asking for a database cluster', run: run(provisioning.createCluster) },
      waitCluster: {
        sentence: 'Waiting for the database to accept connections',
        run: run(provisioning.waitCluster),
        deadlineSeconds: 1800,
      },
      waitCopy: {
        sentence: 'Copying the data of the other database',
        run: run(provisioning.waitCopy),
        deadlineSeconds: 6 * 3600,
      },
      makeCredentials: { sentence: 'Making passwords and keys', run: run(provisioning.makeCredentials) },
      applyAccess: {
        sentence: 'Setting up database, roles and tunnel',
        run: run(provisioning.applyAccess),
        deadlineSeconds: 600,
      },
      fillDatabase: {
        sentence: 'Restoring the data of the backup',
        run: run(provisioning.fillDatabase),
        deadlineSeconds: 6 * 3600,
      },
      setConfigVars: {
        sentence: 'Setting the config vars of the app',
        run: run(provisioning.setConfigVars),
        deadlineSeconds: 3600,
      },
      markProvisioned: {
        sentence: 'Telling the platform that the database is ready',
        run: run(provisioning.markProvisioned),
        deadlineSeconds: 3600,
      },
      waitGrant: {
        sentence: 'Waiting for an authorization that the platform accepts; the database itself is ready',
        run: run(provisioning.waitGrant),
        deadlineSeconds: 3600,
      },
      serve: { sentence: 'Available', run: run(serve) },
      makeNextCredentials: { sentence: 'Making the next passwords and keys', run: run(makeNextCredentials) },
      announceCredentials: {
        sentence: 'Giving the app its next passwords and keys',
        run: run(announceCredentials),
        deadlineSeconds: 3600,
      },
      endFormerCredentials: {
        sentence: 'Ending the former passwords and keys',
        run: run(endFormerCredentials),
        deadlineSeconds: 3600,
      },
      changePlan: {
        sentence: 'Changing the cluster to another plan',
        run: run(changePlan),
        deadlineSeconds: 600,
      },
      crossPlan: {
        sentence: 'Moving the database to a cluster of the other kind',
        run: run(crossPlan),
        deadlineSeconds: 3600,
      },
      announcePlan: {
        sentence: 'Giving the app the config vars of its new plan',
        run: run(announcePlan),
        deadlineSeconds: 3600,
      },
      destroyCluster: {
        sentence: 'Removing the database cluster',
        run: run(destroyCluster),
        deadlineSeconds: 600,
      },
      giveUp: {
        sentence: 'Giving up: the database cluster could not be made',
        run: run(giveUp),
        deadlineSeconds: 600,
      },
      forget: { sentence: 'Removing credentials and records', run: run(forget) },
    },
  });
}

export type AddonStrand = ReturnType<typeof addonStrand>;
