// Orders while no gateway runs, on the state itself; and never on a state that somebody holds.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type OwnPlace, openOperatorClient } from '../../src/command/operator-client.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { openStore } from '../../src/gateway/store.ts';
import { BUDGET, openPort, type TestPort, WRITER } from '../operators/port.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.close();
});

const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };
const RANDOM = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };

function stateConfig(): Config {
  const file = join(mkdtempSync(join(tmpdir(), 'purser-offline-')), 'config.yaml');
  writeFileSync(file, 'identity: { development: true }\nstate: { dir: ./var }\n', { mode: 0o600 });
  const { config, problems } = loadConfig(file, { env: {}, secrets: 'read' });
  if (!config) throw new Error(JSON.stringify(problems));
  return config;
}

async function openState(config: Config) {
  const store = await openStore(config, CLOCK, RANDOM);
  const asked = { explain: async (question: object) => question, knows: () => true, evidence: async () => null };
  return { ...store, budgetTerms: () => [BUDGET], ...asked };
}

/** Nobody listens on port 1 of loopback. */
const silent = (config: Config): OwnPlace => ({
  host: '127.0.0.1',
  port: 1,
  stateDir: config.state.dir,
  cert: null,
  token: undefined,
});

test('a stop given while no gateway runs is sealed, and in force once the state is opened again', async () => {
  const config = stateConfig();
  const operator = await openOperatorClient(silent(config), () => openState(config));
  const { receipt } = await operator.stop({ kind: 'service', id: 'weather', because: 'price jumped' });
  expect(await operator.budgets()).toMatchObject({ budgets: [{ id: 'day', scopes: [] }], spokenFor: [] });
  await operator.close();
  const store = await openState(config);
  open.push(store);
  expect(await store.budget.stops()).toMatchObject([{ kind: 'service', id: 'weather', by: 'local' }]);
  expect((await store.ledger.find(receipt))?.receipt.change).toMatchObject({
    what: 'stop service weather',
    by: 'local',
  });
});

test('a log key that is rotated while no gateway runs signs from then on; the receipt says who and why', async () => {
  const config = stateConfig();
  const operator = await openOperatorClient(silent(config), () => openState(config));
  const { receipt } = await operator.rotateKey({ because: 'a year has passed' });
  await operator.close();
  const store = await openState(config);
  open.push(store);
  const sealed = (await store.ledger.find(receipt))?.receipt;
  expect(sealed?.change).toMatchObject({ what: 'rotate the log key', by: 'local', because: 'a year has passed' });
  expect(store.ledger.keys().keys).toMatchObject([
    { seq: 1 },
    { seq: (sealed?.seq ?? 0) + 1, kid: sealed?.nextKey?.kid },
  ]);
});

test('a log key is rotated amid receipts that are sealed: each has the key of its place, none is lost', async () => {
  const config = stateConfig();
  const store = await openState(config);
  const seal = (n: number) =>
    store.ledger.seal({ kind: 'operator', change: { what: `order ${n}`, outcome: 'applied' } });
  let turn: Promise<unknown> = Promise.resolve();
  const rotate = () => {
    const rotated = turn.then(() => store.ledger.rotateKey({ by: 'dana', because: 'copied' }));
    turn = rotated;
    return rotated;
  };
  const all = Array.from({ length: 60 }, (_, n) => (n % 20 === 10 ? rotate() : seal(n)));
  const sealed = await Promise.all(all);
  expect(new Set(sealed.map(({ receipt }) => receipt.seq)).size).toBe(60);
  await store.close();
  const { command } = await import('../threats/observables.ts');
  const { code, out } = await command(['receipts', 'verify', '--config', config.file]);
  expect([code, out]).toEqual([0, expect.stringContaining('60 receipts, seq 1 to 60')]);
  const keys = await command(['keys', 'list', '--json', '--config', config.file]);
  expect(JSON.parse(keys.out).keys).toHaveLength(4);
});

test('a state that another process holds is left alone when its port is silent, and the message says so', async () => {
  const config = stateConfig();
  const holder = await openState(config);
  open.push(holder);
  const refused = openOperatorClient(silent(config), () => openState(config));
  await expect(refused).rejects.toThrow(/in use by another process, but nothing answers at http:\/\/127\.0\.0\.1:1/);
  expect(await holder.budget.stops()).toEqual([]);
});

test('over TLS only the very certificate of the configuration is talked to', async () => {
  const [own, other] = [certificate(), certificate()];
  const port: TestPort = await openPort({ tls: own });
  open.push(port);
  const place = { host: '127.0.0.1', port: Number(new URL(port.url).port), stateDir: '/nowhere', token: WRITER };
  const never = () => Promise.reject(new Error('the state was opened'));
  const operator = await openOperatorClient({ ...place, cert: own.cert }, never);
  open.push(operator);
  expect(await operator.stops()).toEqual([]);
  await expect(openOperatorClient({ ...place, cert: other.cert }, never)).rejects.toThrow('does not answer');
});

function certificate(): { cert: string; key: string } {
  const dir = mkdtempSync(join(tmpdir(), 'purser-cert-'));
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const subject = ['-nodes', '-days', '2', '-subj', '/CN=purser.example'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}
