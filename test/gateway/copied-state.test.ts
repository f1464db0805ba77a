// An old copy of a state folder has forgotten what was spent since. With the embedded store nobody else knows it
// either, so a copy is refused until its operator says that it is the newest.
import { cpSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { policy, spawnGateway } from '../support/gateway.ts';

const folder = mkdtempSync(join(tmpdir(), 'purser-copied-'));
/** Not every file system says when a file was made; there a copy cannot be told. */
const TELLS = statSync(folder, { bigint: true }).birthtimeNs > 0n;

let shop: PaidShop;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  shop = await paidShop((response) => void response.end('the goods'));
});

afterAll(async () => {
  await shop.close();
  rmSync(folder, { recursive: true, force: true });
});

const serve = (...args: string[]) => spawnGateway({ folder, args, upstream: shop.url, policies: policy({}) });

/** Buys once, and ends. */
async function bought(...args: string[]): Promise<string[]> {
  const gateway = await serve(...args);
  try {
    expect((await gateway.ask('/shop/v1/x')).status).toBe(200);
    const { receipts } = await gateway.api<{ receipts: { receipt: { change?: { what: string } } }[] }>('receipts');
    return receipts.flatMap(({ receipt }) => receipt.change?.what ?? []);
  } finally {
    await gateway.close();
  }
}

const refusal = (...args: string[]): Promise<string> =>
  serve(...args).then(
    () => expect.unreachable('it started'),
    (error: unknown) => String(error),
  );

test('a folder that was moved, and is moved back, is the same', async () => {
  await bought();
  renameSync(at('var'), at('elsewhere'));
  renameSync(at('elsewhere'), at('var'));
  await bought();
});

test.skipIf(!TELLS)('an older copy is refused with what to do, and pays nothing', async () => {
  await bought();
  cpSync(at('var'), at('yesterday'), { recursive: true, preserveTimestamps: true });
  await bought();
  renameSync(at('var'), at('newest'));
  renameSync(at('yesterday'), at('var'));
  const taken = shop.books.length;
  expect(await refusal()).toMatch(/var is a copy: .* last receipt is \w+\.\d+ of 20.*--accept-copy \w+\.\d+-\w+/);
  expect(shop.books).toHaveLength(taken);
  rmSync(at('var'), { recursive: true });
  renameSync(at('newest'), at('var'));
  await bought();
});

test.skipIf(!TELLS)('a copy that its operator names is used from then on, and the log says so', async () => {
  await bought();
  cpSync(at('var'), at('copy'), { recursive: true });
  rmSync(at('var'), { recursive: true });
  renameSync(at('copy'), at('var'));
  const name = /--accept-copy (\S+)/.exec(await refusal())?.[1] ?? '';
  expect(await refusal('--accept-copy', `${name}x`)).toContain('is a copy');
  expect(await bought('--accept-copy', name)).toContain('accept a copied state folder');
  await bought();
});
