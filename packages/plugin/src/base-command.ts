import { Command } from '@heroku-cli/command';
import { ux } from '@oclif/core/ux';
import { AddonApi } from './addon-api/client.js';
import { type Attachment, resolveAttachment } from './platform/attachment.js';
import { withTemporaryToken } from './platform/authorization.js';

/** What every command of the plugin does: find the add-on, then ask the add-on API about it. */
export abstract class AddonCommand extends Command {
  protected resolve(wanted: { addon?: string | undefined; app?: string | undefined }): Promise<Attachment> {
    return resolveAttachment(this.heroku, wanted);
  }

  /** Shows `message` while `use` works with the add-on API. The token that it uses exists for that long only. */
  protected withAddonApi<T>(
    { addonName }: Attachment,
    message: string,
    use: (api: AddonApi) => Promise<T>,
  ): Promise<T> {
    return this.during(`${message} add-on ${addonName}`, () => this.askAddonApi(addonName, use));
  }

  /** The same, with nothing shown. */
  protected askAddonApi<T>(addonName: string, use: (api: AddonApi) => Promise<T>): Promise<T> {
    return withTemporaryToken(this.heroku, (token) => use(new AddonApi(token, addonName)));
  }

  /** Shows `message` while `work` is done, and that it is done. */
  protected async during<T>(message: string, work: () => Promise<T>): Promise<T> {
    ux.action.start(message);
    const result = await work();
    ux.action.stop();
    return result;
  }
}
