import type { Notice } from '../mail/mailbox.js';
import { footer } from '../storage/notices.js';

/** A plan change that came to nothing. */
export function changeFailed(facts: { addon: string; plan: string; wanted: string }): Notice {
  const { addon, plan, wanted } = facts;
  return {
    subject: `The plan of ${addon} could not be changed`,
    body: `The database of ${addon} could not be run with the plan ${wanted}. It has the plan ${plan} as before, with all that is in it, and can be used.

The platform shows the plan that was asked for. To bring the two together again, and before you try once more, change back:

    heroku addons:downgrade ${addon} borealis-pg:${plan}

The operator of the service has been told.
${footer(addon)}`,
  };
}
