// What a gateway makes of a state folder that is torn, damaged, or only a part of one: each is told apart, nothing is
// changed where it refuses, and no second log is begun.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type PaidShop, paidShop } from '../../fakes/paid-shop.ts';
import { buy, expectAgreement, expectVerified } from '../../support/agreement.ts';
import { type GatewayProcess, policy, spawnGateway } from '../../support/gateway.ts';
import { purser } from '../../threats/observables.ts';
import { tearLastWrite } from '../torn.ts';

let shop: PaidShop;
/** A folder whose gateway was killed, with its last receipts in the write-ahead log; and one that was closed. */
let killed: string;
let closed: string;
let folder: string;

const serve = (place: string): Promise<GatewayProcess> =>
  spawnGateway({ folder: place, upstream: shop.url, policies: policy({ limit: '1000.00 USD' }) });

beforeAll(async () => {
  shop = await paidShop((response) => void response.end('the goods'));
  killed = mkdtempSync(join(tmpdir(), 'purser-killed-'));
  closed = mkdtempSync(join(tmpdir(), 'purser-closed-'));
  const first = await serve(killed);
  forgetFile(killed);
  for (let n = 0; n < 3; n += 1) expect((await buy(first)).status).toBe(200);
  await expectAgreement(first, shop);
  await first.kill();
  cpSync(killed, closed, { recursive: true });
  await (await serve(closed)).close();
  forgetFile(closed);
});

/** Lets a folder not know which file it was written in: its copies are not what is tried here. */
function forgetFile(place: string): void {
  const db = new DatabaseSync(join(place, 'var', DATABASE));
  db.exec("DELETE FROM budget_notes WHERE name = 'database made'");
  db.close();
}

afterAll(async () => {
  await shop.close();
  for (const made of [killed, closed]) rmSync(made, { recursive: true, force: true });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function copyOf(place: string): string {
  folder = mkdtempSync(join(tmpdir(), 'purser-copy-'));
  cpSync(place, folder, { recursive: true });
  return join(folder, 'var');
}

const contents = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => !name.endsWith('-shm'))
    .map((name) => `${name} ${readFileSync(join(dir, name)).toString('base64')}`);

const DATABASE = 'purser.sqlite';
const zeros = (path: string): void => writeFileSync(path, Buffer.alloc(readFileSync(path).length));
const half = (path: string): void => truncateSync(path, Math.floor(readFileSync(path).length / 2));

describe('refused, and left as it is', () => {
  for (const { what, damage, says } of [
    {
      what: 'a database that is missing',
      damage: (dir: string) => rmSync(join(dir, DATABASE)),
      says: /purser\.sqlite is missing or empty, and there was one: its receipts are gone; .*backup.*state\.dir/,
    },
    {
      what: 'a database that is empty',
      damage: (dir: string) => truncateSync(join(dir, DATABASE), 0),
      says: /purser\.sqlite is missing or empty/,
    },
    {
      what: 'a database of zeros',
      damage: (dir: string) => zeros(join(dir, DATABASE)),
      says: /purser\.sqlite is damaged; put it back from a backup/,
    },
    {
      what: 'a database that is cut off',
      damage: (dir: string) => half(join(dir, DATABASE)),
      says: /purser\.sqlite is damaged; put it back from a backup/,
    },
    {
      what: 'receipts without their key',
      damage: (dir: string) => rmSync(join(dir, 'log-key.pem')),
      says: /log-key\.pem is missing, but the receipt log needs it; put the key back/,
    },
    {
      what: 'half a key',
      damage: (dir: string) => half(join(dir, 'log-key.pem')),
      says: /log-key\.pem is not an Ed25519 private key in PEM; put it back/,
    },
    {
      what: 'receipts without the key for hashes',
      damage: (dir: string) => rmSync(join(dir, 'mask.key')),
      says: /mask\.key is missing, and without it no repeat is known; put it back/,
    },
    {
      what: 'half a key for hashes',
      damage: (dir: string) => half(join(dir, 'mask.key')),
      says: /mask\.key does not hold 32 bytes; put it back/,
    },
  ]) {
    test(what, async () => {
      const dir = copyOf(closed);
      damage(dir);
      const before = contents(dir);
      const { code, out, err } = await purser(['serve', '--config', join(folder, 'config.yaml')]);
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(says);
      expect(contents(dir)).toEqual(before);
    });
  }
});

describe('started, with everything that was acknowledged', () => {
  const CUT = 'with a last write that was cut in half';
  for (const { what, place, damage } of [
    { what: 'closed in good order', place: () => closed, damage: () => {} },
    { what: 'killed', place: () => killed, damage: () => {} },
    {
      what: 'without SQLite’s index of its log',
      place: () => killed,
      damage: (dir: string) => rmSync(join(dir, `${DATABASE}-shm`)),
    },
    { what: 'without its lock', place: () => closed, damage: (dir: string) => rmSync(join(dir, 'lock.sqlite')) },
    { what: CUT, place: () => killed, damage: tearLastWrite },
    {
      what: 'with bytes behind the last write',
      place: () => killed,
      damage: (dir: string) => writeFileSync(join(dir, `${DATABASE}-wal`), Buffer.alloc(9_999, 7), { flag: 'a' }),
    },
  ]) {
    test(what, async () => {
      damage(copyOf(place()));
      const gateway = await serve(folder);
      try {
        const kinds = (await gateway.receipts()).map(({ kind }) => kind);
        for (const kind of ['intended', 'settled']) expect(kinds.filter((one) => one === kind)).toHaveLength(3);
        expect((await buy(gateway)).status).toBe(200);
        await expectVerified(gateway);
        const reported = /"level":"warn".*write .* did not reach its end: its \d+ bytes are left out.*money back/;
        expect(reported.test(gateway.output())).toBe(what === CUT);
      } finally {
        await gateway.close();
      }
    });
  }
});
