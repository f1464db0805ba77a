// A receipt of an open purchase that is not what was sealed: the gateway stays up and says which it is.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { openLog, purchase } from '../ledger/log.ts';
import { spawnGateway } from '../support/gateway.ts';

test('a damaged intent is named, and nothing is sealed for it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'purser-test-'));
  const state = join(folder, 'var');
  mkdirSync(state, { mode: 0o700 });
  const { db, seal } = openLog(state);
  for (const n of [1, 2]) seal(purchase('intended', n));
  db.exec("UPDATE receipts SET bytes = replace(bytes, 'exchange-2', 'exchange-7') WHERE seq = 2");
  db.close();
  const gateway = await spawnGateway({ folder });
  try {
    await vi.waitUntil(() => gateway.output().includes('receipt 2, which names an open purchase'), { timeout: 10_000 });
    const ready = (await (await fetch(`${gateway.operators}/readyz`)).json()) as { store: string };
    expect(ready.store).toContain('receipt 2, which names an open purchase');
    const { receipts } = await gateway.api<{ receipts: { receipt: { kind: string } }[] }>('receipts');
    expect(receipts.map(({ receipt }) => receipt.kind)).toEqual(['policy', 'intended', 'intended']);
  } finally {
    await gateway.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
