import pino, { type Logger } from 'pino';
import { type FrontFactory, Gateway, STOP_MS } from './gateway.js';
import { SUCCESSOR, tellPredecessor } from './successor.js';

/**
 * Runs the gateway process of the directory named by the first argument, with JSON lines on standard output as its log. With a
 * second one, `successor`, it takes over from the gateway that started it.
 * SIGTERM and SIGINT stop it cleanly (exit 0), SIGHUP reloads, an exception nobody caught ends it (exit 1): the keeper
 * starts it again, and one tenant's accident never leaves others with a half-broken process.
 */
export async function runProcess(argv: readonly string[], makeFront: FrontFactory): Promise<void> {
  process.umask(0o077);
  const log = pino({ base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime });
  const die = (error: unknown) => {
    log.fatal({ error: describe(error) }, 'The gateway ends');
    process.exit(1);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  const [directory, role, ...rest] = argv;
  if (directory === undefined || (role !== undefined && role !== SUCCESSOR) || rest.length > 0)
    return die('Give one argument: the directory of the gateway.');
  try {
    const starting = Gateway.start(directory, makeFront, log, () => process.exit(0), role === SUCCESSOR);
    onSignals(starting, log);
    const gateway = await starting;
    if (role === SUCCESSOR) tellPredecessor(gateway.revision, async () => (await gateway.reload()).revision);
  } catch (error) {
    log.fatal({ error: error instanceof Error ? error.message : String(error) }, 'The gateway cannot start');
    process.exit(1);
  }
}

/** Signals are heard from the first moment on: a log line or an answer that says it runs may be followed by one at once. */
function onSignals(starting: Promise<Gateway>, log: Logger): void {
  const stop = () => {
    setTimeout(() => process.exit(1), STOP_MS).unref();
    starting.then((gateway) => gateway.stop()).catch(() => {}); // one that cannot start ends by itself
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', () => {
    starting
      .then((gateway) => gateway.reload())
      .catch((error: Error) => log.error({ error: error.message }, 'The old configuration stays in force'));
  });
}

/** Message and stack, never the values an error may carry. */
function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
