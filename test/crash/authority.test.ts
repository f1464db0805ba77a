// A gateway that dies while authority changes: a policy set that was taken up is sealed once, a stop that was given is
// in force whether its receipt was sealed or not.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expectVerified } from '../support/agreement.ts';
import { type GatewayProcess, type GatewaySetup, policy, spawnGateway } from '../support/gateway.ts';
import { STORES, type TestStore } from '../support/stores.ts';
import { dyingEnv } from './plan.ts';

const BEFORE = policy();
const AFTER = policy({ limit: '20.00 USD' });

let folder: string;
let gateway: GatewayProcess;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'purser-crash-'));
});

afterEach(async () => {
  await gateway.close();
  rmSync(folder, { recursive: true, force: true });
});

type Store = Pick<TestStore, 'sections' | 'env'>;

/** Starts it, does the work that it dies of at that moment, and starts it again with these policies. */
async function dies(moment: string, store: Store, policies: string, work: () => unknown): Promise<void> {
  const armed = join(folder, 'armed');
  const setup: GatewaySetup = { folder, sections: store.sections };
  const env = { ...store.env, ...dyingEnv({ moment, nth: 1, armed, signal: 'SIGKILL' }) };
  gateway = await spawnGateway({ ...setup, env, policies: BEFORE });
  writeFileSync(armed, '');
  const died = once(gateway.child, 'exit');
  await work();
  expect(await died).toEqual([null, 'SIGKILL']);
  gateway = await spawnGateway({ ...setup, env: store.env, policies });
}

const versions = async (): Promise<(string | undefined)[]> =>
  (await gateway.receipts()).filter(({ kind }) => kind === 'policy').map(({ change }) => change?.version);

for (const moment of ['policy before seal', 'policy durable']) {
  test(`${moment}: the new set is in force and sealed once`, async () => {
    await dies(moment, { sections: {}, env: {} }, AFTER, () => {
      writeFileSync(join(folder, 'policies', 'policy.yaml'), AFTER);
      gateway.child.kill('SIGHUP');
    });
    const { version } = await gateway.api<{ version: string }>('policy');
    const sealed = await versions();
    expect(sealed).toHaveLength(2);
    expect(sealed[0]).not.toBe(version);
    expect(sealed[1]).toBe(version);
    await expectVerified(gateway);
  });
}

for (const { name, available, open } of STORES) {
  describe.runIf(available)(name, () => {
    let store: TestStore;
    beforeEach(async () => {
      store = await open();
      return () => store.close();
    });

    for (const moment of ['operator before seal', 'operator durable']) {
      test(`${moment}: a stop that was ordered is in force and can be lifted`, async () => {
        const stop = { kind: 'agent', id: 'buyer-1', because: 'a test' };
        await dies(moment, store, BEFORE, () =>
          expect(gateway.api('stops', { method: 'POST', body: JSON.stringify(stop) })).rejects.toThrow(),
        );
        const { stops } = await gateway.api<{ stops: unknown[] }>('stops');
        expect(stops).toEqual([expect.objectContaining(stop)]);
        await gateway.api('stops?kind=agent&id=buyer-1', { method: 'DELETE' });
        expect(await gateway.api('stops')).toEqual({ stops: [] });
        const orders = (await gateway.receipts()).flatMap(({ kind, change }) => (kind === 'operator' ? [change] : []));
        expect(orders.at(-1)).toMatchObject({ what: 'start agent buyer-1', outcome: 'applied' });
        expect(orders).toHaveLength(moment === 'operator before seal' ? 1 : 2);
        await expectVerified(gateway);
      });
    }
  });
}
