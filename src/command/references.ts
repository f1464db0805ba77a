// The commands that print references: schemas for editors and clients, and completion for shells.
import { Argument, type Command } from 'commander';
import { completionScript, SHELLS, type Shell } from './completion.ts';
import type { Io } from './io.ts';
import type { SchemaName } from './schema.ts';

/** Adds `schema` and `completion`. */
export function addReferences(program: Command, io: Io): void {
  program
    .command('schema')
    .description('print the JSON Schema of configuration or policies, or the OpenAPI of the operators’ API')
    .addArgument(new Argument('<what>', 'which one').choices(['config', 'policies', 'openapi']))
    .action(async (what: SchemaName) => io.out((await import('./schema.ts')).schemaText(what)));
  program
    .command('completion')
    .description('print a script that completes commands and flags in a shell')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .action((shell: Shell) => io.out(completionScript(shell, program)));
}
