// Runs a command line inside the test and collects what it prints.
import { commandLine } from '../../src/command/command-line.ts';

/** What a command printed and its exit code. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    env,
  };
  const code = await commandLine(args, io);
  return { code, out, err };
}
