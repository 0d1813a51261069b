/** The publication and the subscription of a major upgrade, in each database. */
export const UPGRADE = 'borealis_upgrade';

// A database's name has 54 bytes at most, and all of these 63.

/** The slot that keeps the log for the copy of a database. */
export const slotOf = (database: string) => `upgrade_${database}`;

/** The role that changes are applied as where PostgreSQL would apply them as the superuser. It has no password, and no file lets it in. */
export const applyRoleOf = (database: string) => `applies_${database}`;

/** The role that loads a database's schema and rows: they hold what a tenant wrote, and some of that runs while they are loaded. */
export const loaderOf = (database: string) => `p_rw_up_${database}`;
