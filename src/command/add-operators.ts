// The commands of operators: budgets, holds, stop, start, keys.
import { type Command, Option } from 'commander';
import type { Stop } from '../domain/hold.ts';
import { asked, type Done, instant, type OrderFlags, ordered } from './flags.ts';
import type { Io } from './io.ts';

/** Adds them to the program. */
export function addOperators(program: Command, io: Io, done: Done): void {
  addBudgets(program, io, done);
  addHolds(program, io, done);
  addStops(program, io, done);
  addKeys(program, io, done);
}

function addBudgets(program: Command, io: Io, done: Done): void {
  ordered(
    program.command('budgets').description('each budget line: limit, settled, held, left, when it resets'),
  ).action(async (options: OrderFlags) => done(await (await import('./budgets.ts')).budgets(options, io)));
}

function addHolds(program: Command, io: Io, done: Done): void {
  const holds = program.command('holds').description('open and uncertain holds');
  ordered(holds.command('list').description('holds with their evidence, oldest first')).action(
    async (options: OrderFlags) => done(await (await import('./holds.ts')).listHolds(options, io)),
  );
  ordered(holds.command('resolve [id]').description('say how an uncertain hold ended, or many of a service'))
    .addOption(new Option('--as <end>', 'how it ended').choices(['settled', 'voided']).makeOptionMandatory())
    .requiredOption('--because <reason>', 'how you know; it is sealed in the receipt log')
    .option('--against-evidence', 'also where the books of its rail say otherwise; sealed')
    .option('--service <id>', 'all uncertain holds of this service …')
    .option('--before <instant>', '… placed before this, such as 2026-11-23T10:00:00Z', instant)
    .action(async (id: string | undefined, options: ResolveFlags, command: Command) => {
      const { service, before, ...order } = options;
      const many = service !== undefined && before !== undefined ? { service, beforeMs: before } : undefined;
      const one = service === undefined && before === undefined && id !== undefined ? { hold: id } : undefined;
      const which = one ?? (id === undefined ? many : undefined);
      if (!which) return command.error('error: name one hold by its ID, or many by --service ID --before INSTANT');
      done(await (await import('./holds.ts')).resolveHolds({ ...order, which }, io));
    });
}

function addStops(program: Command, io: Io, done: Done): void {
  const stop = targeted(program.command('stop').description('no new payment at any gateway for what is named'))
    // Not mandatory to the parser, which would ask it of "stop list" too.
    .option('--because <reason>', 'why; required, and sealed in the receipt log')
    .action(async (options: TargetFlags, command: Command) => {
      const { because } = options;
      if (because === undefined) return command.error('error: say why with --because "…"');
      const target = targetOf(options, command);
      done(await (await import('./stop.ts')).stop({ ...target, because }, io));
    });
  ordered(stop.command('list').description('what is stopped')).action(async (_options: OrderFlags, command: Command) =>
    done(await (await import('./stop.ts')).listStops(command.optsWithGlobals(), io)),
  );
  targeted(program.command('start').description('lift exactly the stop that is named'))
    .option('--because <reason>', 'why; it is sealed in the receipt log')
    .action(async (options: TargetFlags, command: Command) => {
      const { because } = options;
      const target = { ...targetOf(options, command), ...(because === undefined ? {} : { because }) };
      done(await (await import('./stop.ts')).start(target, io));
    });
}

function addKeys(program: Command, io: Io, done: Done): void {
  const keys = program.command('keys').description('the keys that sign the receipt log');
  asked(keys.command('list').description('the public keys, from which receipt on each signs')).action(
    async (options: { config: string; json: boolean }) => done(await (await import('./keys.ts')).listKeys(options, io)),
  );
  ordered(keys.command('rotate').description('give the log a new key, sealed by the old one, which is destroyed'))
    .requiredOption('--because <reason>', 'why; it is sealed')
    .action(async (options: OrderFlags & { because: string }) =>
      done(await (await import('./keys.ts')).rotateKey(options, io)),
    );
}

interface ResolveFlags extends OrderFlags {
  as: 'settled' | 'voided';
  because: string;
  againstEvidence?: true;
  service?: string;
  before?: number;
}

interface TargetFlags extends OrderFlags {
  agent?: string;
  service?: string;
  wallet?: string;
  all?: true;
  because?: string;
}

const targeted = (command: Command): Command =>
  ordered(command)
    .option('--agent <id>', 'an agent of the register')
    .option('--service <id>', 'a service')
    .option('--wallet <id>', 'a wallet')
    .option('--all', 'every payment');

function targetOf(options: TargetFlags, command: Command): OrderFlags & { kind: Stop['kind']; id: string } {
  const { agent: _agent, service: _service, wallet: _wallet, all: _all, because: _because, ...order } = options;
  const kinds = (['agent', 'service', 'wallet', 'all'] as const).filter((kind) => options[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    return command.error('error: name one of --agent ID, --service ID, --wallet ID and --all');
  }
  const id = options[kind];
  return { ...order, kind, id: typeof id === 'string' ? id : '*' };
}
