// The commands that run or prepare a gateway or a witness: serve, demo, check, witness, token.
import { type Command, Option } from 'commander';
import { asked, configured, type Done } from './flags.ts';
import { gatewayUrl } from './gateway-url.ts';
import type { Io } from './io.ts';

/** Adds them to the program. */
export function addRunning(program: Command, io: Io, done: Done): void {
  configured(program.command('serve').description('run the gateway until SIGTERM or SIGINT'))
    .option('--accept-copy <name>', 'use a copied state folder, as the message that refused it names it')
    .addHelpText('after', SERVE_HELP)
    .action(async (options: { config: string; acceptCopy?: string }) =>
      done(await (await import('./serve.ts')).serve(options, io)),
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
    .addOption(
      new Option('--format <form>', 'how problems are shown; text unless told, github in GitHub Actions').choices(
        CHECK_FORMATS,
      ),
    )
    .option('--without-secrets', 'judge references to secrets by their form, open none', false)
    .option('--gateway <url>', 'the operators’ port of a gateway, to compare with its budgets', gatewayUrl)
    .option('--token-file <path>', 'a file with an operator token for it; PURSER_OPERATOR_TOKEN unless told')
    .action(async (options: CheckFlags) => done(await (await import('./check.ts')).check(options, io)));
  addWitness(program, io, done);
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

function addWitness(program: Command, io: Io, done: Done): void {
  program
    .command('witness')
    .description('cosign checkpoints of logs, only as they grow, until SIGTERM or SIGINT; run it where others decide')
    .requiredOption('--name <name>', 'what it is called in cosignatures, such as witness.example/w1')
    .requiredOption('--logs <file>', 'the keys of the logs it knows, one a line, as "purser keys list" prints them')
    .option('--state <dir>', 'where its key and what it has cosigned lie', './witness')
    .option('--listen <address>', 'host:port', '127.0.0.1:8405')
    .action(async (options: { name: string; logs: string; state: string; listen: string }) =>
      done(await (await import('./witness.ts')).witness(options, io)),
    );
}

const SERVE_HELP = `
SIGTERM or SIGINT: what is under way gets up to limits.drain, then exit code 0. SIGHUP: the policies are looked at now.
Receipts and requests are JSON lines on standard output, lines for people at a terminal (NO_COLOR: without colours).
OTEL_EXPORTER_OTLP_ENDPOINT: requests are traced to that collector; OpenTelemetry's other variables say how.`;

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
