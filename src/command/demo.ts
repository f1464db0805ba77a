// `purser demo`: a whole market on loopback, in a temporary folder. The gateway it runs is the real one, on a written
// configuration; the shops are the published `mppx` merchant.
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { writeDemoFiles } from '../demo/files.ts';
import { type Market, openMarket } from '../demo/market.ts';
import { play, STEPS, type StepOutcome } from '../demo/script.ts';
import { openGateway } from '../gateway.ts';
import { openDevelopmentIssuer } from '../identity/development-issuer.ts';
import { openLog } from '../observe/log.ts';
import { budgets } from './budgets.ts';
import type { Io } from './io.ts';
import { list } from './receipts.ts';
import { verify } from './receipts-verify.ts';
import { table } from './table.ts';

/** Plays the script; without `once` the market then stays open until SIGINT or SIGTERM. 0: all ended as expected. */
export async function demo(options: { readonly once: boolean }, io: Io): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'purser-demo-'));
  const market = await openMarket();
  try {
    return await run(options.once, folder, market, io);
  } finally {
    await market.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run(once: boolean, folder: string, market: Market, io: Io): Promise<number> {
  const [agentsPort, operatorsPort] = [await freePort(), await freePort()];
  const places = { agentsPort, operatorsPort, weatherUrl: market.weather.url, writerUrl: market.writer.url };
  const file = writeDemoFiles(folder, places);
  const { config } = loadConfig(file, { env: io.env, secrets: 'read' });
  if (!config) throw new Error('the demo configuration is not valid');
  const gateway = await openGateway(config, openLog({ fd: openSync(join(folder, 'gateway.log'), 'a', 0o600) }));
  try {
    const { agents } = await gateway.listen();
    const issuer = await openDevelopmentIssuer(config.state.dir);
    const tokenOf = (agent: string) => issuer.issue({ agent, ttlSeconds: 3_600, nowMs: Date.now() });
    const outcomes: StepOutcome[] = [];
    for (const step of STEPS) outcomes.push(await play(step, agents, await tokenOf(step.agent)));
    const good = await tell(outcomes, market, file, io);
    if (!once) await stayOpen(agents, await tokenOf('writer-1'), file, io);
    return good ? 0 : 1;
  } finally {
    await gateway.close();
  }
}

/** Prints what happened, then what each reader of the state says about it. */
async function tell(outcomes: readonly StepOutcome[], market: Market, file: string, io: Io): Promise<boolean> {
  io.out('\nWhat the agents did\n\n');
  io.out(table(outcomes.map(row), ['agent', 'asked for', 'outcome', 'status', 'paid', 'receipt', '']));
  io.out('\nWhy it was refused\n\n');
  for (const { step, outcome, detail } of outcomes)
    if (detail !== '') io.out(`  ${step.title} (${outcome}): ${detail}\n`);
  io.out('\npurser budgets\n\n');
  const plain = { config: file, json: false };
  await budgets(plain, io);
  io.out('\npurser receipts list\n\n');
  await list({ config: file }, io);
  io.out('\npurser receipts verify\n\n');
  const verified = await verify({ config: file }, io);
  const bought = outcomes.filter(({ outcome }) => outcome === 'paid' || outcome === 'payment_uncertain').length;
  const booked = market.weather.books.length + market.writer.books.length;
  io.out(`\nThe shops' own books: ${booked} payments taken; the agents' purchases: ${bought}.\n`);
  const unexpected = outcomes.filter(({ step, outcome }) => outcome !== step.expected);
  for (const { step, outcome } of unexpected) io.err(`${step.title}: expected ${step.expected}, got ${outcome}\n`);
  return unexpected.length === 0 && verified === 0 && booked === bought;
}

function row({ step, outcome, status, amount, receipt }: StepOutcome): string[] {
  const mark = outcome === step.expected ? '' : `EXPECTED ${step.expected}`;
  return [step.agent, step.title, outcome, String(status), amount, receipt, mark];
}

async function stayOpen(agents: string, token: string, file: string, io: Io): Promise<void> {
  const call = `curl -i -X POST -H "Purser-Token: $TOKEN" ${agents}/writer/v1/complete -d '{"prompt":"a tale"}'`;
  io.out(`\nThe market stays open; end it with Ctrl-C. In another terminal:\n\n  TOKEN=${token}\n  ${call}\n`);
  io.out(`  curl -H "Purser-Token: $TOKEN" ${agents}/.purser/budgets\n`);
  io.out(`  npx purser receipts list --config ${file}\n  npx purser holds list --config ${file}\n`);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new TypeError('a port is a number');
  return address.port;
}
