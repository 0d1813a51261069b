type Details = Record<string, string>;
interface Entry {
  status: number;
  sentence: (details: Details) => string;
  /** What a 404 could not find; clients tell a missing add-on from a missing part of it by this. */
  resourceType?: string;
}

/** Every refusal that a caller can see: code, HTTP status, and the sentence that says what is wrong and what is allowed. */
export const ERRORS = {
  unauthorized: { status: 401, sentence: () => 'The credentials of this request are missing or wrong.' },
  malformedJson: { status: 400, sentence: () => 'The body of the request is not valid JSON.' },
  mediaType: { status: 415, sentence: () => 'The body of the request must be JSON (content type application/json).' },
  tooLarge: { status: 413, sentence: (d) => `The body of the request must not be larger than ${d.limit} bytes.` },
  invalid: { status: 400, sentence: (d) => `The request is not valid: ${d.problem}.` },
  unknownRoute: { status: 404, sentence: () => 'There is nothing at this address.' },
  unknownPlan: { status: 422, sentence: (d) => `There is no plan "${d.plan}". Supported plans: ${d.supported}.` },
  unknownVersion: {
    status: 422,
    sentence: (d) => `PostgreSQL version "${d.version}" is not supported. Supported versions: ${d.supported}.`,
  },
  unknownRegion: {
    status: 422,
    sentence: (d) => `The region "${d.region}" is not supported. Supported regions: ${d.supported}.`,
  },
  restoreToken: {
    status: 422,
    sentence: (d) =>
      'The restore token is not valid: it is unknown, has expired or was used for another add-on. A token is good for ' +
      `${d.minutes} minutes and one add-on; "heroku borealis-pg:restore:execute" gets a new one.`,
  },
  momentWithoutToken: {
    status: 422,
    sentence: () =>
      'The option "restore-to-time" needs a "restore-token" beside it, which says what is restored: ' +
      '"heroku borealis-pg:restore:execute --restore-to-time" passes both.',
  },
  momentMalformed: {
    status: 422,
    sentence: (d) =>
      `The time to restore to, "${d.moment}", is not understood. Allowed is a date and a time in ISO 8601 with a zone, to the ` +
      'microsecond at most: 2023-03-05T15:05:17.485-08:00.',
  },
  momentWithoutZone: {
    status: 422,
    sentence: (d) =>
      `The time to restore to, "${d.moment}", has no zone. Add Z for UTC or the zone's offset: ${d.moment}Z, ${d.moment}-08:00.`,
  },
  momentInFuture: {
    status: 422,
    sentence: (d) =>
      `The time to restore to, ${d.moment}, is in the future: it is ${d.now} now. Leave it out to clone the present.`,
  },
  momentOutside: {
    status: 422,
    sentence: (d) =>
      `The time to restore to, ${d.moment}, cannot be restored. Allowed are times from ${d.earliest} to ${d.latest}.`,
  },
  noMoments: {
    status: 422,
    sentence: (d) =>
      `No past moment of ${d.addon} can be restored now. Leave the time out to clone the present, or try again later.`,
  },
  copySource: {
    status: 422,
    sentence: (d) => `${d.addon} cannot be copied now: ${d.problem}. Only an add-on that is ready for use can.`,
  },
  copyPlanShared: {
    status: 422,
    sentence: (d) =>
      `The copy of an add-on needs a cluster of its own, which the plan "${d.plan}" does not have. Plans that do: ${d.supported}.`,
  },
  copyPlanSmall: {
    status: 422,
    sentence: (d) =>
      `The plan "${d.plan}" is too small: it has ${d.limit} of storage, and ${d.addon} takes ${d.usage}. ` +
      (d.supported ? `Plans that are large enough: ${d.supported}.` : 'No plan is large enough.'),
  },
  copyVersion: {
    status: 422,
    sentence: (d) =>
      `A copy has the PostgreSQL version of its source: ${d.addon} has ${d.supported}, and "${d.version}" was asked for. ` +
      'Leave the option "version" out.',
  },
  noStoredBackup: { status: 422, sentence: (d) => `The object store has no backup "${d.backup}".` },
  backupRefused: { status: 422, sentence: (d) => d.reason! },
  dumpMoment: {
    status: 422,
    sentence: (d) =>
      `The backup "${d.backup}" has one moment only: leave out the time to restore to, or name another of its backups.`,
  },
  backupEmpty: { status: 422, sentence: (d) => `The backup "${d.backup}" has no database of an app in it.` },
  neverCopied: {
    status: 400,
    sentence: (d) =>
      `An add-on of the plan "${d.plan}" cannot be cloned or restored, because it shares its cluster with others. Add-ons of ` +
      `these plans can: ${d.supported}.`,
  },
  changesRefused: { status: 422, sentence: (d) => d.problem! },
  noChanges: { status: 404, sentence: (d) => d.problem!, resourceType: 'table' },
  noReplicas: {
    status: 422,
    sentence: (d) => `The plan "${d.plan}" has one node, so no other one can take over.`,
  },
  drillNotNow: { status: 503, sentence: (d) => d.problem! },
  drillFailed: { status: 500, sentence: (d) => d.problem! },
  changesNotNow: { status: 503, sentence: (d) => d.problem! },
  changesFailed: { status: 500, sentence: (d) => d.problem! },
  planSmall: {
    status: 422,
    sentence: (d) =>
      `The plan stays as it is: the database takes ${d.usage}, and the plan "${d.plan}" has ${d.limit} of storage. ` +
      (d.supported ? `Plans that are large enough: ${d.supported}.` : 'No plan is large enough.'),
  },
  planBusy: {
    status: 422,
    sentence: (d) =>
      `The database is being moved for the plan "${d.plan}", and cannot be moved elsewhere at the same time. Try again when it is finished.`,
  },
  planUpgrading: {
    status: 422,
    sentence: () =>
      'The plan stays as it is: a PostgreSQL major version upgrade of the add-on is running. Try again when it is finished.',
  },
  destroyed: { status: 422, sentence: () => 'This add-on has been destroyed and cannot be provisioned again.' },
  noPorts: { status: 503, sentence: () => 'The service has no room for another add-on. Try again later.' },
  gone: { status: 410, sentence: () => 'This add-on does not exist any more.' },
  notParked: { status: 404, sentence: () => 'There is no parked workflow of this add-on.' },
  noAddon: {
    status: 404,
    sentence: () => 'This is not a Borealis Isolated Postgres add-on.',
    resourceType: 'addon',
  },
  integrationName: {
    status: 400,
    sentence: () =>
      'The name of a data integration must have 1 to 25 characters: lowercase letters, digits and underscores (_).',
  },
  sshPublicKey: {
    status: 400,
    sentence: (d) =>
      `The SSH public key is refused: ${d.problem}. Allowed is one RSA (2048 to 8192 bits), ECDSA or Ed25519 public key in ` +
      'OpenSSH format, on one line: "ssh-ed25519 AAAA… comment".',
  },
  integrationLimit: {
    status: 400,
    sentence: (d) => `An add-on can have ${d.limit} data integrations at the most. Remove one of them first.`,
  },
  integrationExists: {
    status: 409,
    sentence: (d) => `A data integration with the name "${d.name}" is already registered.`,
  },
  noIntegration: {
    status: 404,
    sentence: () => 'There is no data integration of this name.',
    resourceType: 'integration',
  },
  noPrivateTunnel: {
    status: 404,
    sentence: () => 'This add-on has no private app tunnels. Apps reach it through the tunnel of the buildpack.',
  },
  notReady: { status: 422, sentence: () => 'The add-on has not finished provisioning. Try again later.' },
  inMaintenance: { status: 400, sentence: () => 'The add-on is under maintenance. Try again when it is available.' },
  rotating: {
    status: 409,
    sentence: () => 'The credentials of the last rotation are still being introduced. Try again when it has ended.',
  },
  resetting: { status: 503, sentence: () => 'All credentials of the add-on are being reset. Try again in a moment.' },
  extensionUnsupported: {
    status: 400,
    sentence: (d) => `There is no supported extension "${d.name}". Supported extensions: ${d.supported}.`,
  },
  extensionDependencies: {
    status: 400,
    sentence: (d) => `The extension "${d.name}" needs others that must be installed first: ${d.needed}.`,
  },
  extensionDependents: {
    status: 400,
    sentence: (d) => `The extension "${d.name}" cannot be removed while others need it: ${d.others}.`,
  },
  extensionExists: { status: 409, sentence: (d) => `The extension "${d.name}" is already installed.` },
  extensionSchemaTaken: {
    status: 409,
    sentence: (d) => `The extension "${d.name}" needs a schema of its own, whose name is taken in this database.`,
  },
  noExtension: {
    status: 404,
    sentence: (d) => `The extension "${d.name}" is not installed.`,
    resourceType: 'extension',
  },
  noBackup: { status: 404, sentence: () => 'There is no backup of this name.', resourceType: 'backup' },
  upgradeRunning: {
    status: 423,
    sentence: () => 'A PostgreSQL major version upgrade of the add-on is running. Try again when it is finished.',
  },
  majorRunning: {
    status: 409,
    sentence: () =>
      'A PostgreSQL major version upgrade of the add-on is running already. "heroku borealis-pg:upgrade:info" shows how far it is.',
  },
  majorBusy: {
    status: 409,
    sentence: () =>
      'The add-on is under maintenance. A PostgreSQL major version upgrade can begin when it is available again.',
  },
  majorShared: {
    status: 400,
    sentence: (d) =>
      `An add-on of the plan "${d.plan}" shares its cluster with others, which is upgraded by the service, announced by an e-mail. ` +
      'A plan with a cluster of its own can be upgraded at any time.',
  },
  majorMaximum: {
    status: 400,
    sentence: (d) => `The database has PostgreSQL ${d.version}, and there is no newer version.`,
  },
  majorNotOffered: {
    status: 400,
    sentence: (d) =>
      `A database with PostgreSQL ${d.from} cannot be upgraded to ${d.version}. Versions that it can: ${d.supported}.`,
  },
  majorRefused: { status: 400, sentence: (d) => d.findings! },
  noUpgrade: {
    status: 400,
    sentence: () => 'There is no PostgreSQL major version upgrade of the add-on in progress.',
  },
  noWayBack: {
    status: 422,
    sentence: () => 'There is no major upgrade of the add-on to go back from.',
  },
  newcomers: {
    status: 422,
    sentence: () =>
      'There is no way back: other add-ons came to the cluster since the upgrade, and were never on the former server.',
  },
  noCluster: { status: 404, sentence: (d) => `There is no cluster "${d.cluster}".`, resourceType: 'cluster' },
  clusterNotShared: {
    status: 422,
    sentence: () =>
      'Only the upgrade of a cluster that add-ons share is announced. One with a cluster of its own is upgraded with ' +
      '"heroku borealis-pg:upgrade:execute".',
  },
  majorTooLate: {
    status: 400,
    sentence: (d) => `It is too late: PostgreSQL ${d.version} has taken over already.`,
  },
  writeAccessRevoked: {
    status: 403,
    sentence: () =>
      'Write access to the add-on database has been revoked because of the storage that it takes. There are two ways back: ' +
      'upgrade the add-on to a larger plan, or delete data in the clean-up window of 30 minutes that ' +
      '"heroku borealis-pg:storage:cleanup" opens once a day.',
  },
  notRestricted: {
    status: 400,
    sentence: () =>
      'The database can be written to. A clean-up window is only for one that is restricted for its size.',
  },
  windowUsed: {
    status: 400,
    sentence: (d) =>
      `There was a clean-up window already; there is one a day. The next one can be opened at ${d.availableAt}.`,
  },
  diskShort: {
    status: 400,
    sentence: () =>
      'The disk of the service is nearly full, so there is no clean-up window now. The database can be written to again by ' +
      'itself when the disk has room.',
  },
  sharedWindow: {
    status: 422,
    sentence: (d) =>
      `An add-on of the plan "${d.plan}" shares its cluster with others, so its window cannot be chosen. Those of plans with a cluster of their own can.`,
  },
  minorRefused: { status: 422, sentence: (d) => d.problem! },
  minorConflict: { status: 409, sentence: (d) => d.problem! },
  minorNotNow: { status: 503, sentence: (d) => d.problem! },
  engineBusy: { status: 503, sentence: () => 'The database is recovering. Try again in a moment.' },
  gatewayNotUpgraded: { status: 503, sentence: (d) => `No new gateway has taken over: ${d.problem}` },
  platformUnavailable: { status: 503, sentence: () => 'The platform cannot be asked for access now. Try again later.' },
  internal: { status: 500, sentence: () => 'Something went wrong on our side. Try again later.' },
} satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof ERRORS;

/** A refusal from the table, thrown anywhere below a route. */
export class AppError extends Error {
  readonly status: number;
  readonly resourceType: string | undefined;
  /** What has to be there first, for clients that see to it themselves. */
  readonly dependencies: readonly string[] | undefined;

  constructor(
    readonly code: ErrorCode,
    details: Details = {},
    options: { cause?: unknown; dependencies?: readonly string[] } = {},
  ) {
    const entry: Entry = ERRORS[code];
    super(entry.sentence(details), 'cause' in options ? { cause: options.cause } : {});
    this.dependencies = options.dependencies;
    this.name = 'AppError';
    this.status = entry.status;
    this.resourceType = entry.resourceType;
  }
}
