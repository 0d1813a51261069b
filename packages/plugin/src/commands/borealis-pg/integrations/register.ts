import { type IntegrationRegistered, integrationRegistered } from '@borealis/contract';
import { flags } from '@heroku-cli/command';
import { Args } from '@oclif/core';
import { reasonOr } from '../../../addon-api/refusal.js';
import { AddonCommand } from '../../../base-command.js';
import { addonFlag, appFlag, jsonFlag, writeAccessFlag } from '../../../flags.js';
import { fieldList, toJson } from '../../../text.js';

export default class BorealisPgIntegrationsRegister extends AddonCommand {
  static override description = `register a data integration with an add-on

A data integration lets an external service (extract, transform and load, data warehouses, reporting) reach an add-on database through a secure tunnel of its own. The service gives you an SSH public key: RSA of 2048 bits or more, ECDSA or Ed25519, in OpenSSH format. The values that this command prints are what the service's forms ask for. The password is shown this once and never again.

The credentials stay valid until the integration is removed. They allow reading, on a replica where the add-on has one; add --write-access for services that have to write, which are served by the primary.

The name tells integrations apart and is part of the database username: lowercase letters, digits and underscores, between 1 and 25 of them.

The SSH server's public host key lets the service verify that it talks to the right server. The server forwards connections and does nothing else, so OpenSSH needs the options -N and -L.

See also borealis-pg:integrations and borealis-pg:integrations:remove.`;

  static override examples = [
    "$ heroku borealis-pg:integrations:register --app sushi --name my_integration1 'ssh-ed25519 AAAAC3Nza…'",
    '$ heroku borealis-pg:integrations:register --app sushi --name my_integration2 --write-access ssh-rsa AAAAB3Nza…',
    '$ heroku borealis-pg:integrations:register --addon borealis-pg-hex-12345 --name etl "$(cat etl.pub)" --json',
  ];

  /** A key has spaces in it, and shells take its quotes away. */
  static override strict = false;

  static override args = {
    SSH_PUBLIC_KEY: Args.string({
      description: 'SSH public key that shall be let in, with or without quotes',
      required: true,
    }),
  };

  static override flags = {
    addon: addonFlag,
    app: appFlag,
    json: jsonFlag,
    name: flags.string({ char: 'n', description: 'name of the data integration', required: true }),
    'write-access': writeAccessFlag,
  };

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(BorealisPgIntegrationsRegister);
    const body = {
      integrationName: flags.name,
      sshPublicKey: argv.join(' '),
      enableWriteAccess: flags['write-access'],
    };
    const attachment = await this.resolve(flags);
    const registered = await this.withAddonApi(attachment, 'Registering data integration with', (api) =>
      api.request('POST', '/data-integrations', integrationRegistered, { body, meanings: meanings(flags.name) }),
    );
    this.log(flags.json ? toJson(registered) : `\n${describe(registered)}`);
  }
}

function meanings(name: string) {
  return {
    403: reasonOr(
      'Write access to the add-on database is revoked, usually because it has long been over its storage limit',
    ),
    409: reasonOr(`A data integration with the name ${name} is already registered`),
  };
}

function describe(registered: IntegrationRegistered): string {
  return fieldList([
    ['Database Host', registered.dbHost],
    ['Database Port', String(registered.dbPort)],
    ['Database Name', registered.dbName],
    ['Database Username', registered.dbUsername],
    ['Database Password', registered.dbPassword],
    ['SSH Host', registered.sshHost],
    ['SSH Port', String(registered.sshPort)],
    ['SSH Username', registered.sshUsername],
    ['SSH Server Public Host Key', registered.publicSshHostKey],
  ]);
}
