import type { Manifest } from '@borealis/contract';
import { invalid, notFound } from './errors.js';
import { stableId } from './tokens.js';

export interface ServicePlan {
  id: string;
  /** With the service before it: `borealis-pg:x1-s10-p1-r1`. */
  name: string;
  /** What the Partner API calls it: `x1-s10-p1-r1`. */
  slug: string;
  humanName: string;
  default: boolean;
  cents: number;
  state: string;
}

/** The services and plans that can be bought here: those of the one manifest. */
export class Catalogue {
  readonly plans: readonly ServicePlan[];

  constructor(readonly manifest: Manifest) {
    this.plans = manifest.plans.map((plan) => {
      const slug = plan.name.replace(`${manifest.id}:`, '');
      const name = `${manifest.id}:${slug}`;
      return {
        id: stableId(`plan ${name}`),
        name,
        slug,
        humanName: plan.human_name,
        default: plan.default,
        cents: plan.price_cents,
        state: plan.state,
      };
    });
  }

  get slug(): string {
    return this.manifest.id;
  }

  /** The plans that everybody is shown. One in the state `alpha` can be asked for, and it is its maker who refuses. */
  get listed(): ServicePlan[] {
    return this.plans.filter((plan) => plan.state !== 'alpha');
  }

  /** The plan that a user asked for as `service` or `service:plan`. */
  planFor(asked: string): ServicePlan {
    const found =
      asked === this.slug || asked === this.serviceId
        ? this.plans.find((plan) => plan.default)
        : this.plans.find((plan) => plan.name === asked || plan.id === asked);
    if (found) return found;
    const hint = asked.startsWith(`${this.slug}:`)
      ? ` The plans of ${this.slug} are ${this.listed.map((plan) => plan.slug).join(', ')}.`
      : '';
    throw invalid(`Couldn't find either the add-on service or the add-on plan of "${asked.slice(0, 100)}".${hint}`);
  }

  /** The plan of an existing add-on, also when it is no longer on sale. */
  planNamed(name: string): ServicePlan {
    const slug = name.replace(`${this.slug}:`, '');
    return (
      this.plans.find((plan) => plan.name === name) ?? {
        id: stableId(`plan ${name}`),
        name,
        slug,
        humanName: slug,
        default: false,
        cents: 0,
        state: 'deprecated',
      }
    );
  }

  get serviceId(): string {
    return stableId(`service ${this.slug}`);
  }

  requireService(name: string): void {
    if (name !== this.slug && name !== this.serviceId) throw notFound('add_on service');
  }

  /** Refuses a config var that the manifest does not declare. */
  checkConfigVar(name: string): void {
    const { config_vars: declared, config_vars_prefix: prefix } = this.manifest.api;
    if (!declared.includes(name) || !name.startsWith(`${prefix}_`))
      throw invalid(
        `The config var ${name.slice(0, 100)} is not declared in the manifest, which has ${declared.join(', ')}.`,
      );
  }
}
