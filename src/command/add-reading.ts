// The commands that read the receipt log: receipts, report, audit, explain.
import type { Command } from 'commander';
import type { AuditOptions } from './audit.ts';
import { AUDIT_HELP } from './audit-help.ts';
import { asked, configured, type Done, type OrderFlags, ordered, timed, wholeNumber } from './flags.ts';
import type { Io } from './io.ts';
import type { LogOptions } from './on-log.ts';
import type { ListOptions } from './receipts.ts';
import type { ExportOptions, ProveOptions } from './receipts-export.ts';
import type { VerifyCommandOptions } from './receipts-verify.ts';
import type { ReportOptions } from './report.ts';
import { REPORT_HELP } from './report-help.ts';

/** Adds them to the program. */
export function addReading(program: Command, io: Io, done: Done): void {
  addReceipts(program, io, done);
  addReport(program, io, done);
  addAudit(program, io, done);
  addExplaining(program, io, done);
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
    async (id: string, options: LogOptions) => done(await (await load()).show({ ...options, id }, io)),
  );
  addExports(receipts, io, done);
  asked(
    receipts
      .command('verify [file]')
      .description('check an export, a proof or the live log from its bytes and keys alone'),
  )
    .option('--keys <file>', 'a JWKS file; the own keys of the configuration unless told')
    .option('--head <file>', 'a signed head kept elsewhere, to compare with')
    .option('--checkpoint <file>', 'a checkpoint kept elsewhere, to compare with')
    .option('--witness <file>', 'keys of witnesses, one a line, of which one must have cosigned')
    .option(
      '--every-signature',
      'read each receipt whole and verify its signature, also where a checkpoint covers it',
      false,
    )
    .action(async (file: string | undefined, options: VerifyCommandOptions) => {
      const { verify } = await import('./receipts-verify.ts');
      done(await verify({ ...options, ...(file === undefined ? {} : { file }) }, io));
    });
}

function addExports(receipts: Command, io: Io, done: Done): void {
  const load = () => import('./receipts-export.ts');
  timed(configured(receipts.command('export').description('an unbroken run as JSON Lines, ended by a signed head')))
    .option('--out <file>', 'where to; standard output unless told')
    .action(async (options: ExportOptions) => done(await (await load()).export(options, io)));
  configured(receipts.command('checkpoint').description('the newest signed checkpoint of the log')).action(
    async (options: LogOptions) => done(await (await load()).checkpoint(options, io)),
  );
  receipts
    .command('merge <file...>')
    .description('exports of several logs as one stream in the order of time, each as verifiable as before')
    .option('--out <file>', 'where to; standard output unless told')
    .action(async (files: string[], options: { out?: string }) =>
      done(await (await load()).merge({ ...options, files }, io)),
    );
  configured(receipts.command('prove <id>').description('that one receipt is in the log, for whoever has its keys'))
    .option('--out <file>', 'where to; standard output unless told')
    .action(async (id: string, options: ProveOptions) => done(await (await load()).prove({ ...options, id }, io)));
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

const several = (one: string, before: string[] | undefined): string[] => [...(before ?? []), one];

function addReport(program: Command, io: Io, done: Done): void {
  const report = asked(program.command('report').description('spend for charge-back, settled and uncertain apart'));
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

function addAudit(program: Command, io: Io, done: Done): void {
  const audit = ordered(program.command('audit').description('do receipts, budgets and rails say the same? 1 if not'));
  timed(audit.option('--month <month>', 'only what was intended in this month, such as 2026-11'))
    .option('--books <file>', 'a payee’s books as CSV; repeat it for more', several)
    .option('--payee <id>', 'a payee the books answer for, though they may lack it; repeat it for more', several)
    .option('--chain', 'ask the nodes of networks too: every transfer of the wallets that receipts name')
    .option('--from <file>', 'an export instead of the live log; repeat it for more', several)
    .option('--keys <file>', 'a JWKS file with the keys of the exports; repeat it for more', several)
    .option('--without-budgets', 'leave the budget store alone')
    .option('--time-zone <zone>', 'whose days and months; accounting.timeZone unless told')
    .option('--csv', 'print the differences as CSV')
    .addHelpText('after', AUDIT_HELP)
    .action(async (options: AuditOptions) => done(await (await import('./audit.ts')).audit(options, io)));
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
