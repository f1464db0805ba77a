// A gateway and a witness as real processes: what is cosigned, and what becomes of a state folder that is an older or
// another copy, of a witness that is away, and of a gateway that dies while it publishes.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { readCheckpoint } from '../../src/domain/note.ts';
import type { StoredCheckpoint } from '../../src/ledger/checkpoints.ts';
import { hostileMerchant } from '../fakes/hostile-merchant.ts';
import { openLog, purchase } from '../ledger/log.ts';
import { type GatewayProcess, spawnGateway } from '../support/gateway.ts';
import { grow, logVkey, requestFor, spawnWitness, type WitnessProcess, witnessFolder } from '../witness/support.ts';
import { command, purser } from './observables.ts';

const own = witnessFolder();
let witness: WitnessProcess;
let shop: Awaited<ReturnType<typeof hostileMerchant>>;
const folders: string[] = [];

beforeAll(async () => {
  witness = await spawnWitness(own);
  writeFileSync(join(own.logs, '..', 'witness-keys'), `${witness.key}\n`);
  shop = await hostileMerchant();
});
afterAll(async () => {
  await witness.end();
  await shop.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const witnessKeys = () => join(own.logs, '..', 'witness-keys');

const sections = (url: string) => ({
  state: '{ dir: ./var, checkpoint: 1s }',
  witnesses: `\n  - { url: "${url}", key: "${witness.key}", allowPrivateNetwork: true }`,
});

/** A folder with a log that the witness knows, and how to start a gateway on it. */
async function known(url = witness.url) {
  const folder = mkdtempSync(join(tmpdir(), 'purser-witnessed-'));
  folders.push(folder);
  const config = ['--config', join(folder, 'config.yaml')];
  mkdirSync(join(folder, 'var'), { mode: 0o700 });
  const log = openLog(join(folder, 'var'));
  log.seal(purchase('refused', 0));
  own.know(logVkey(log));
  log.db.close();
  const start = (at = url) => spawnGateway({ folder, upstream: shop.url, sections: sections(at) });
  return { folder, config, start };
}

/** Waits until the newest checkpoint that is cosigned has at least so many receipts. */
async function cosigned(config: readonly string[], least: number): Promise<number> {
  for (let waited = 0; waited < 15_000; waited += 100) {
    const { code, out } = await command(['receipts', 'checkpoint', ...config]);
    const { size, signatures } = code === 0 ? readCheckpoint(out) : { size: 0, signatures: [] };
    if (signatures.length > 1 && size >= least) return size;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no checkpoint of ${least} receipts was cosigned`);
}

const buy = async (gateway: GatewayProcess) => (await gateway.ask('/shop/v1/x')).status;
const sealedIn = async (gateway: GatewayProcess) => (await gateway.receipts()).length;

test('what is sealed is cosigned, and verify says who has seen how much of it', async () => {
  const { folder, config, start } = await known();
  const gateway = await start();
  expect(await buy(gateway)).toBe(200);
  const size = await cosigned(config, await sealedIn(gateway));
  const file = join(folder, 'export.jsonl');
  expect((await command(['receipts', 'export', '--out', file, ...config])).code).toBe(0);
  writeFileSync(join(folder, 'keys.json'), await (await fetch(`${gateway.operators}/keys`)).text());
  const keys = ['--keys', join(folder, 'keys.json')];
  const told = await command(['receipts', 'verify', file, ...keys, '--witness', witnessKeys()]);
  expect([told.code, told.out]).toEqual([0, expect.stringContaining(`has seen its first ${size} receipts, at 20`)]);
  expect((await command(['receipts', 'verify', '--witness', witnessKeys(), ...config])).code).toBe(0);
  const id = `${(await gateway.receipts()).at(-1)?.id}`;
  const proof = await command(['receipts', 'prove', id, ...config]);
  writeFileSync(join(folder, 'proof.json'), proof.out);
  const proved = await command(['receipts', 'verify', join(folder, 'proof.json'), ...keys, '--witness', witnessKeys()]);
  expect([proved.code, proved.out]).toEqual([0, expect.stringContaining(`receipt ${id} is in log`)]);
  await gateway.close();
});

test('LOG-05: an older copy of the state does not start, says why and what to do, and pays nothing', async () => {
  const { folder, config, start } = await known();
  const gateway = await start();
  expect(await buy(gateway)).toBe(200);
  await gateway.close();
  cpSync(join(folder, 'var'), join(folder, 'yesterday'), { recursive: true });
  const again = await start();
  expect(await buy(again)).toBe(200);
  await cosigned(config, await sealedIn(again));
  await again.close();
  rmSync(join(folder, 'var'), { recursive: true });
  cpSync(join(folder, 'yesterday'), join(folder, 'var'), { recursive: true });
  const taken = shop.books.taken.length;
  const { code, err } = await purser(['serve', ...config]);
  expect([code, err]).toEqual([1, expect.stringMatching(/has seen \d+ receipts of this log, but there are \d+ here/)]);
  expect(err).toContain('Put the latest copy back');
  expect(shop.books.taken).toHaveLength(taken);
});

test('LOG-07: history rewritten with the log’s own key: no start, and verify fails by the witness', async () => {
  const { folder, config, start } = await known();
  const gateway = await start();
  expect(await buy(gateway)).toBe(200);
  const size = await cosigned(config, await sealedIn(gateway));
  const kept = join(folder, 'kept-checkpoint');
  writeFileSync(kept, (await command(['receipts', 'checkpoint', ...config])).out);
  await gateway.close();
  const all = sealedOn(folder);
  const log = openLog(join(folder, 'var'));
  log.now = Date.now();
  log.db.exec('DELETE FROM receipts WHERE seq > 3; DELETE FROM checkpoints; DELETE FROM witnessed; DELETE FROM tree');
  for (let n = 3; n < all; n++) log.seal(purchase('refused', n));
  log.run('ledger.checkpoint');
  log.db.close();
  const verify = (...more: string[]) => command(['receipts', 'verify', ...more, ...config]);
  // Nothing in the folder itself tells.
  const plain = await verify();
  expect([plain.code, plain.err]).toEqual([0, '']);
  const against = await verify('--checkpoint', kept);
  expect([against.code, against.err]).toEqual([1, expect.stringContaining(`checkpoint of ${size} receipts`)]);
  const unseen = await verify('--witness', witnessKeys());
  expect([unseen.code, unseen.err]).toEqual([1, expect.stringContaining('no checkpoint with a cosignature')]);
  const { code, err } = await purser(['serve', ...config]);
  expect([code, err]).toEqual([
    1,
    expect.stringMatching(/has seen other receipts of this log than the first \d+ here/),
  ]);
});

test('while no witness answers nothing is bought; once one does, it goes on by itself', async () => {
  const { config, start } = await known('http://127.0.0.1:9');
  const gateway = await start();
  const refused = await gateway.ask('/shop/v1/x');
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, 'store_unavailable']);
  const { store } = (await (await fetch(`${gateway.operators}/readyz`)).json()) as { store: string };
  expect(store).toContain('waits for the first answer of a witness');
  await vi.waitFor(() => expect(gateway.output()).toContain('did not cosign: it cannot be reached'), 5_000);
  await gateway.close();
  const silent = await switchable();
  silent.forward = null;
  const waiting = await start(silent.url);
  expect((await waiting.ask('/shop/v1/x')).status).toBe(503);
  silent.forward = witness.url;
  for (let waited = 0; waited < 15_000 && (await buy(waiting)) !== 200; waited += 200) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await cosigned(config, await sealedIn(waiting));
  await waiting.close();
  silent.server.close();
});

test.each(['before the witness has it', 'when the witness has it'])(
  'CRASH-14: killed while it publishes, %s: the next checkpoint follows the last that was cosigned',
  async (moment) => {
    const between = await switchable();
    const { folder, config, start } = await known();
    const gateway = await start(between.url);
    expect(await buy(gateway)).toBe(200);
    await cosigned(config, await sealedIn(gateway));
    const dead = new Promise<void>((resolve) => {
      between.meet = async (pass) => {
        between.meet = undefined;
        if (moment.startsWith('when')) await pass();
        await gateway.kill();
        resolve();
      };
    });
    expect(await buy(gateway)).toBe(200);
    await dead;
    const sealed = sealedOn(folder);
    const again = await start(between.url);
    expect(await buy(again)).toBe(200);
    await cosigned(config, sealed + 1);
    expect((await command(['receipts', 'verify', '--witness', witnessKeys(), ...config])).code).toBe(0);
    await again.close();
    between.server.close();
  },
);

function sealedOn(folder: string): number {
  const db = new DatabaseSync(join(folder, 'var/purser.sqlite'), { readOnly: true });
  return Number(db.prepare('SELECT max(seq) AS n FROM receipts').get()?.n);
}

interface Between {
  readonly url: string;
  readonly server: Server;
  /** Where requests go; null: they break off. */
  forward: string | null;
  /** Called instead of passing the next request on. */
  meet: ((pass: () => Promise<unknown>) => Promise<void>) | undefined;
}

/** Something between a gateway and its witness. */
async function switchable(): Promise<Between> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const pass = () => fetch(`${between.forward}${request.url}`, { method: 'POST', body: Buffer.concat(chunks) });
    if (between.meet) {
      await between.meet(pass);
      return response.destroy();
    }
    if (between.forward === null) return response.destroy();
    const answer = await pass();
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
    return response.end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const between: Between = { url, server, forward: witness.url, meet: undefined };
  return between;
}

test('a key that was rotated goes on being witnessed once the witness is given the new one', async () => {
  const { config, start } = await known();
  const gateway = await start();
  expect((await command(['keys', 'rotate', '--because', 'a year has passed', ...config])).code).toBe(0);
  expect(await buy(gateway)).toBe(200);
  const { out } = await command(['keys', 'list', ...config]);
  own.know([...out.matchAll(/purser\/\S+/g)].at(-1)?.[0] ?? '');
  await cosigned(config, await sealedIn(gateway));
  expect((await (await fetch(`${gateway.operators}/keys`)).json()) as { keys: unknown[] }).toMatchObject({
    keys: [{ seq: 1 }, { seq: expect.any(Number) }],
  });
  expect((await command(['receipts', 'verify', '--witness', witnessKeys(), ...config])).code).toBe(0);
  await gateway.close();
});

test('LOG-12: of checkpoints sent at once only growth is cosigned, also across a kill of the witness', async () => {
  const log = openLog();
  const folder = witnessFolder([logVkey(log)]);
  const checkpoints: StoredCheckpoint[] = Array.from({ length: 12 }, (_, n) => grow(log, 1 + n * 7));
  let running = await spawnWitness(folder);
  const port = Number(new URL(running.url).port);
  const cosigned: number[] = [];
  let known = 0;
  for (let turn = 0; turn < 5; turn++) {
    const asked = checkpoints.filter(({ size }) => size > known).slice(0, 3);
    const answers = asked.map((checkpoint) =>
      running.add(requestFor(log, checkpoint, known)).then(
        ({ status }) => (status === 200 ? checkpoint.size : 0),
        () => 0,
      ),
    );
    if (turn % 2 === 1) await running.end('SIGKILL');
    const got = (await Promise.all(answers)).filter((size) => size > 0);
    // One old size is one step: of those that are sent from it, one at most is cosigned.
    expect(got.length).toBeLessThanOrEqual(1);
    cosigned.push(...got);
    if (turn % 2 === 1) running = await spawnWitness(folder, port);
    const told = await running.add(requestFor(log, checkpoints.at(-1) ?? { size: 0, note: '' }, 0));
    known = told.status === 409 ? Number(told.body) : known;
    expect(known).toBeGreaterThanOrEqual(cosigned.at(-1) ?? 0);
  }
  expect(cosigned).toEqual([...cosigned].sort((a, b) => a - b));
  expect(cosigned.length).toBeGreaterThanOrEqual(3);
  await running.end();
});
