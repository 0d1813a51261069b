import { expect, test } from 'vitest';
import { DEFAULT_PLAN, findPlan, PLANS } from '../src/plans.js';

test('every plan has a name of its own', () => {
  expect(new Set(PLANS.map((plan) => plan.name)).size).toBe(PLANS.length);
});

test('the name of a single-tenant plan says what it gives', () => {
  for (const plan of PLANS.filter(({ tenancy }) => tenancy === 'isolated')) {
    expect(plan.name).toBe(`x${plan.nodes}-s${plan.storageGiB}-p${plan.vcpu}-r${plan.memoryGiB}`);
  }
});

test('the default plan is one of them, and found with the service before it too', () => {
  expect(PLANS).toContain(findPlan(DEFAULT_PLAN));
  expect(findPlan(`borealis-pg:${DEFAULT_PLAN}`)).toBe(findPlan(DEFAULT_PLAN));
  expect(findPlan('gold')).toBeNull();
});
