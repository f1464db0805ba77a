// What was agreed with the store about one policy set says nothing about the next: a set that was taken up while the
// comparison of the one before it was on its way must be compared itself before anything is bought under it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { createAuthority, policyContext } from '../../src/gateway/authority.ts';
import { openStore } from '../../src/gateway/store.ts';
import { openLog } from '../../src/observe/log.ts';
import { loadPolicies } from '../../src/policy/load.ts';
import { policy, startGateway } from '../support/gateway.ts';

const folder = mkdtempSync(join(tmpdir(), 'purser-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('an agreement about the set before counts for nothing once another is in force', async () => {
  const gateway = await startGateway({ folder });
  await gateway.close();
  const { config } = loadConfig(gateway.configFile, { env: process.env, secrets: 'read' });
  const first = config && loadPolicies(config.policies, policyContext(config)).set;
  if (!config || !first) throw new Error('the configuration cannot be read');
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const store = await openStore(config, clock, { bytes: (length) => new Uint8Array(length).fill(7) });
  // The answer about the first set is on its way while the store fails those that come after it.
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  let failing = false;
  const { agree } = store.budget;
  store.budget.agree = async (terms) => {
    if (failing) throw new Error('the store is down');
    const answer = await agree.call(store.budget, terms);
    await arrived;
    return answer;
  };
  const authority = createAuthority(config, { ...store, log: openLog('silent') }, first);
  try {
    const compared = authority.agree();
    failing = true;
    writeFileSync(join(folder, 'policies', 'policy.yaml'), policy({ window: 'window: month' }));
    await vi.waitFor(() => expect(authority.current().version).not.toBe(first.version), { timeout: 10_000 });
    arrive();
    await compared;
    expect(authority.agreed()).toBe(false);
    failing = false;
    expect(await authority.agree()).toHaveLength(1);
    expect(authority.agreed()).toBe(false);
  } finally {
    authority.close();
    await store.close();
  }
});
