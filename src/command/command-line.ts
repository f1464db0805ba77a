// Every command and flag of `purser`, and which function answers it. Each command's own code is loaded only when it
// runs, so that help is quick. Exit codes: 0 done, 1 the answer is no, 2 bad usage.
import { Command, CommanderError, Help, type Option } from 'commander';
import { addOperators } from './add-operators.ts';
import { addReading } from './add-reading.ts';
import { addRunning } from './add-running.ts';
import type { Done } from './flags.ts';
import type { Io } from './io.ts';
import { addReferences } from './references.ts';
import { VERSION } from './version.ts';

/** Runs what the arguments say (without `node` and the script); resolves with the exit code and never throws. */
export async function commandLine(args: readonly string[], io: Io): Promise<number> {
  let code = 0;
  const done = (answer: number) => {
    code = answer;
  };
  try {
    await purser(io, done).parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { visible } = await import('./table.ts');
    const lines = (error instanceof Error ? error.message : 'an unexpected error').split('\n');
    io.err(`purser: ${lines.map(visible).join('\n')}\n`);
    return 1;
  }
}

function purser(io: Io, done: Done): Command {
  const program = new Command('purser')
    .description('A gateway between AI agents and paid HTTP services.')
    .version(VERSION)
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .configureHelp({ optionDescription })
    .addHelpText('after', PROGRAM_HELP)
    .showHelpAfterError(true);
  addRunning(program, io, done);
  addReading(program, io, done);
  addOperators(program, io, done);
  addReferences(program, io);
  return program;
}

const PROGRAM_HELP = `
"purser demo" shows a whole market on loopback; "purser COMMAND --help" shows the flags of a command.
Exit codes: 0 done, 1 the answer is no (not valid, refused, not intact), 2 bad usage.`;

/** A switch that is off unless given needs no default. */
function optionDescription(option: Option): string {
  return option.defaultValue === false ? option.description : new Help().optionDescription(option);
}
