// What a process that ended left open, found at the next start: it is said what it comes to; and where a receipt of it
// is not what was sealed, the gateway stays up and says which.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { openLog, purchase, type TestLog } from '../ledger/log.ts';
import { type GatewayProcess, spawnGateway } from '../support/gateway.ts';

/** A gateway on a folder whose log has two open purchases, until `said` is in its output. */
async function started(change: (log: TestLog) => void, said: string): Promise<GatewayProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'purser-test-'));
  mkdirSync(join(folder, 'var'), { mode: 0o700 });
  const log = openLog(join(folder, 'var'));
  for (const n of [1, 2]) log.seal(purchase('intended', n));
  change(log);
  log.db.close();
  const gateway = await spawnGateway({ folder });
  await vi.waitUntil(() => gateway.output().includes(said), { timeout: 10_000 });
  return gateway;
}

async function ended(gateway: GatewayProcess): Promise<string[]> {
  const { receipts } = await gateway.api<{ receipts: { receipt: { kind: string } }[] }>('receipts');
  await gateway.close();
  rmSync(gateway.folder, { recursive: true, force: true });
  return receipts.map(({ receipt }) => receipt.kind);
}

test('what is uncertain now is told as an amount', async () => {
  const gateway = await started(
    () => {},
    'recovered: 0 outcomes; 2 purchases of 0.020000 are uncertain and stay counted',
  );
  expect(await ended(gateway)).toEqual(['policy', 'uncertain', 'uncertain', 'intended', 'intended']);
});

test('a damaged intent is named, and nothing is sealed for it', async () => {
  const gateway = await started(
    ({ db }) => db.exec("UPDATE receipts SET bytes = replace(bytes, 'exchange-2', 'exchange-7') WHERE seq = 2"),
    'receipt 2, which names an open purchase',
  );
  const ready = (await (await fetch(`${gateway.operators}/readyz`)).json()) as { store: string };
  expect(ready.store).toContain('receipt 2, which names an open purchase');
  expect(await ended(gateway)).toEqual(['policy', 'intended', 'intended']);
});
