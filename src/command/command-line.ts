// Every command and flag of `purser`, and which function answers it. Each command's own code is loaded only when it
// runs, so that help is quick. Exit codes: 0 done, 1 the answer is no, 2 bad usage.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Stop } from '../domain/hold.ts';
import { readInstant } from '../domain/rfc3339.ts';
import { gatewayUrl } from './gateway-url.ts';
import type { Io } from './io.ts';
import type { ExportOptions, ListOptions, ReceiptsOptions, VerifyCommandOptions } from './receipts.ts';
import { addReferences } from './references.ts';
import type { ReportOptions } from './report.ts';
import { REPORT_HELP } from './report-help.ts';
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

type Done = (code: number) => void;

function purser(io: Io, done: Done): Command {
  const program = new Command('purser')
    .description('A gateway between AI agents and paid HTTP services.')
    .version(VERSION)
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError(true);
  addRunning(program, io, done);
  addReceipts(program, io, done);
  addReport(program, io, done);
  addExplaining(program, io, done);
  addOperators(program, io, done);
  addStops(program, io, done);
  addReferences(program, io);
  return program;
}

function addRunning(program: Command, io: Io, done: Done): void {
  configured(program.command('serve').description('run the gateway until SIGTERM or SIGINT')).action(
    async (options: { config: string }) => done(await (await import('./serve.ts')).serve(options, io)),
  );
  program
    .command('demo')
    .description('a whole market on loopback: agents that pay, are refused, and are left uncertain')
    .option('--once', 'exit when the script is through; 0 only if each outcome was the expected one', false)
    .option('--shop <address>', 'only a shop on host:port such as 127.0.0.1:8410, for your own gateway')
    .action(async ({ once, shop }: { once: boolean; shop?: string }, command: Command) => {
      if (shop === undefined) return done(await (await import('./demo.ts')).demo({ once }, io));
      const place = (await import('../config/addresses.ts')).readHostPort(shop);
      if (!place || once) return command.error('error: --shop takes host:port such as 127.0.0.1:8410, and no --once');
      done(await (await import('./demo-shop.ts')).demoShop(place, io));
    });
  configured(program.command('check').description('validate configuration and policies, all problems at once'))
    .option('--json', 'print JSON', false)
    .addOption(new Option('--format <form>', 'how problems are shown; github in its jobs').choices(CHECK_FORMATS))
    .option('--without-secrets', 'judge references to secrets by their form, open none', false)
    .option('--gateway <url>', 'the operators’ port of a gateway, to compare with its budgets', gatewayUrl)
    .option('--token-file <path>', 'a file with an operator token for it; PURSER_OPERATOR_TOKEN unless told')
    .action(async (options: CheckFlags) => done(await (await import('./check.ts')).check(options, io)));
  asked(
    program.command('token').description('issue a token of the development issuer, check one, or make an operator’s'),
  )
    .option('--agent <id>', 'whose token: the subject it names')
    .option('--task <task>', 'the task it belongs to')
    .option('--ttl <duration>', 'how long it is good for, 15m unless told')
    .option('--operator <name>', 'make an operator’s token and print its configuration line')
    .option('--check <file>', 'what this gateway makes of the token in a file and why; - is standard input')
    .action(async ({ config, ...options }: TokenFlags) =>
      done(await (await import('./token.ts')).token({ configPath: config, ...options }, io)),
    );
}

const CHECK_FORMATS = ['text', 'json', 'github', 'gitlab'] as const;

interface CheckFlags {
  config: string;
  json: boolean;
  format?: (typeof CHECK_FORMATS)[number];
  withoutSecrets: boolean;
  gateway?: string;
  tokenFile?: string;
}

interface TokenFlags {
  config: string;
  agent?: string;
  task?: string;
  ttl?: string;
  operator?: string;
  check?: string;
  json: boolean;
}

function addReceipts(program: Command, io: Io, done: Done): void {
  const receipts = program.command('receipts').description('read the receipt log, also while the gateway runs');
  const load = () => import('./receipts.ts');
  const list = timed(asked(receipts.command('list').description('receipts that match, newest first')));
  for (const [name, what] of SELECTORS) list.option(`--${name} <value>`, what);
  list
    .option('--limit <count>', 'at most this many; 100 in a table and all in JSON unless told', wholeNumber)
    .action(async (options: ListOptions) => done(await (await load()).list(options, io)));
  asked(receipts.command('show <id>').description('one receipt, or all of an exchange')).action(
    async (id: string, options: ReceiptsOptions) => done(await (await load()).show({ ...options, id }, io)),
  );
  timed(configured(receipts.command('export').description('an unbroken run as JSON Lines, ended by a signed head')))
    .option('--out <file>', 'where to; standard output unless told')
    .action(async (options: ExportOptions) => done(await (await load()).export(options, io)));
  asked(receipts.command('verify [file]').description('derive all again from bytes: an export, or the live log'))
    .option('--keys <file>', 'a JWKS file; the own key of the configuration unless told')
    .option('--head <file>', 'a signed head kept elsewhere, to compare with')
    .action(async (file: string | undefined, options: VerifyCommandOptions) =>
      done(await (await load()).verify({ ...options, ...(file === undefined ? {} : { file }) }, io)),
    );
}

const SELECTORS = [
  ['kind', 'refused, intended, settled, uncertain, …'],
  ['agent', 'by id of the register'],
  ['owner', 'by the accountable owner'],
  ['team', 'by team'],
  ['service', 'by service id'],
  ['task', 'by task'],
  ['code', 'by code of a refusal'],
  ['payee', 'by who was, or would have been, paid'],
  ['trace', 'by trace id'],
] as const;

const timed = (command: Command): Command =>
  command
    .option('--since <time>', 'from this on, such as 2026-11-23 or 2026-11-23T10:00:00Z')
    .option('--until <time>', 'before this');

function addReport(program: Command, io: Io, done: Done): void {
  const report = asked(program.command('report').description('spend for charge-back, settled and uncertain apart'));
  const several = (file: string, before: string[] | undefined): string[] => [...(before ?? []), file];
  timed(report.option('--month <month>', 'the month to report on, such as 2026-11'))
    .option('--by <names>', 'team, label.<name>, service, day, … with commas between; team,service unless told')
    .option('--from <file>', 'an export instead of the live log; repeat it for more', several)
    .option('--keys <file>', 'a JWKS file with the keys of the exports; repeat it for more', several)
    .option('--time-zone <zone>', 'whose days and months; accounting.timeZone unless told')
    .option('--csv', 'print CSV')
    .option('--focus', 'print CSV in the columns of FinOps FOCUS 1.2')
    .option('--chart', 'draw a bar for each group below the table')
    .addHelpText('after', REPORT_HELP)
    .action(async (options: ReportOptions) => done(await (await import('./report.ts')).report(options, io)));
}

function addExplaining(program: Command, io: Io, done: Done): void {
  ordered(
    program.command('explain [id]').description('one purchase or refusal in plain words, or what would happen if'),
  )
    .option('--agent <id>', 'instead of an id: the agent that would ask …')
    .option('--service <id>', '… this service …')
    .option('--request <request>', '… for this, such as "GET /v1/x"')
    .option('--price <money>', 'and what it would cost, such as "0.02 USD"')
    .option('--asset <id>', 'the asset it would be paid with')
    .option('--payee <payee>', 'who would be paid')
    .option('--task <task>', 'the task its token would name')
    .action(async (id: string | undefined, options: ExplainFlags, command: Command) => {
      const { agent, service, request, price, asset, payee, task, ...order } = options;
      const more = Object.entries({ price, asset, payee, task }).filter(([, value]) => value !== undefined);
      const asked = [agent, service, request].filter((value) => value !== undefined).length;
      if (id !== undefined && asked + more.length === 0) {
        return done(await (await import('./explain.ts')).explain({ ...order, id }, io));
      }
      if (id !== undefined || agent === undefined || service === undefined || request === undefined) {
        return command.error('error: name an ID, or --agent ID --service ID --request "GET /v1/x" together');
      }
      const question = { agent, service, request, ...Object.fromEntries(more) };
      done(await (await import('./explain.ts')).explain({ ...order, question }, io));
    });
}

type ExplainFlags = OrderFlags &
  Partial<Record<'agent' | 'service' | 'request' | 'price' | 'asset' | 'payee' | 'task', string>>;

function addOperators(program: Command, io: Io, done: Done): void {
  ordered(
    program.command('budgets').description('each budget line: limit, settled, held, left, when it resets'),
  ).action(async (options: OrderFlags) => done(await (await import('./budgets.ts')).budgets(options, io)));
  const holds = program.command('holds').description('open and uncertain holds');
  ordered(holds.command('list').description('holds with their evidence, oldest first')).action(
    async (options: OrderFlags) => done(await (await import('./holds.ts')).listHolds(options, io)),
  );
  ordered(holds.command('resolve [id]').description('say how an uncertain hold ended, or many of a service'))
    .addOption(new Option('--as <end>', 'how it ended').choices(['settled', 'voided']).makeOptionMandatory())
    .requiredOption('--because <reason>', 'how you know; sealed')
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
    .option('--because <reason>', 'why; sealed')
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
    .option('--because <reason>', 'why; sealed')
    .action(async (options: TargetFlags, command: Command) => {
      const { because } = options;
      const target = { ...targetOf(options, command), ...(because === undefined ? {} : { because }) };
      done(await (await import('./stop.ts')).start(target, io));
    });
}

interface OrderFlags {
  config: string;
  json: boolean;
  gateway?: string;
  tokenFile?: string;
}

interface ResolveFlags extends OrderFlags {
  as: 'settled' | 'voided';
  because: string;
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

const configured = (command: Command): Command => command.option('--config <file>', 'the configuration', 'config.yaml');

const asked = (command: Command): Command => configured(command).option('--json', 'print JSON', false);

const ordered = (command: Command): Command =>
  asked(command)
    .option('--gateway <url>', 'the operators’ port of a gateway; that of the configuration unless told', gatewayUrl)
    .option('--token-file <path>', 'a file with an operator token; PURSER_OPERATOR_TOKEN unless told');

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

function instant(text: string): number {
  const ms = readInstant(text);
  if (ms === undefined) throw new InvalidArgumentError('It must be an instant such as 2026-11-23T10:00:00Z.');
  return ms;
}

function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return Number(text);
}
