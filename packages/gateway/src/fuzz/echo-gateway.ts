import { runProcess } from '../process.js';
import { EchoFront } from './echo-front.js';

// A real gateway process with an echo behind it instead of PostgreSQL.
void runProcess(process.argv.slice(2), () => new EchoFront());
