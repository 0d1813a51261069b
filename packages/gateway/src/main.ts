import { createSqlFront } from './postgres/front.js';
import { runProcess } from './process.js';

void runProcess(process.argv.slice(2), createSqlFront);
