import { ExitError } from '@oclif/core/errors';

/**
 * Ends the command with this exit code and prints nothing. The CLI brings an oclif of its own and does not know our
 * `ExitError` for one, so it has to be told to keep quiet.
 */
export class QuietExit extends ExitError {
  override readonly skipOclifErrorHandling = true;
}
