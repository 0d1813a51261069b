#!/usr/bin/env node
// Runs the plugin's commands without the Heroku CLI around them: same requests, quicker start.
import { execute } from '@oclif/core';

await execute({ dir: import.meta.url });
