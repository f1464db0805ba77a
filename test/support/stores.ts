// The two budget stores, for tests of what holds whatever the store is.
import { Redis } from 'ioredis';
import { redisAvailable, startRedis } from '../fakes/redis.ts';

/** A fresh and empty store. */
export interface TestStore {
  /** What a gateway is started with; all that are started with it share the store. */
  readonly sections: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  /** How many gateways can share it. */
  readonly gateways: number;
  /** Its URL, where it is in Redis. */
  readonly redis?: string;
  close(): Promise<void>;
}

/** For `describe.runIf(available)(name, …)`. */
export const STORES = [
  {
    name: 'on the embedded store',
    available: true,
    open: async (): Promise<TestStore> => ({ sections: {}, env: {}, gateways: 1, close: async () => {} }),
  },
  {
    name: 'with budgets in Redis',
    available: redisAvailable,
    open: async (): Promise<TestStore> => {
      const redis = await startRedis();
      await openAtOnce(redis.url);
      return { ...onRedis(redis.url), gateways: 2, redis: redis.url, close: () => redis.stop() };
    },
  },
];

/** Nobody can know better than this store that it is new: it need not stay closed for a moment, as new ones do. */
export async function openAtOnce(url: string): Promise<void> {
  const admin = new Redis(url);
  const run = /run_id:(\S+)/.exec(await admin.info('server'))?.[1] ?? '';
  await admin.set('{purser}:clock', Date.now());
  await admin.hset('{purser}:epoch', { gen: 1, state: 'open', run, since: 0, opens: 0 });
  for (const list of ['open', 'lease', 'lines', 'forget']) {
    await admin.zadd(`{purser}:1:${list}`, Number.MAX_SAFE_INTEGER, '.');
  }
  await admin.hset('{purser}:stop', '.', '');
  admin.disconnect();
}

/** The same, and whoever does not come to a rebuild is waited for no longer than 3 s, a little more than a lease. */
export function impatient(store: TestStore): TestStore {
  const budgets = `${store.sections.budgets}`.replace(' } }', ' }, missingAfter: 3s }');
  return { ...store, sections: { ...store.sections, budgets } };
}

/** The section and the environment of a gateway whose budgets are in that Redis. */
export function onRedis(url: string): Pick<TestStore, 'sections' | 'env'> {
  return {
    sections: { budgets: `{ store: redis, redis: { url: "${url}", key: { env: SHARED_KEY } } }` },
    env: { SHARED_KEY: 'ab'.repeat(32) },
  };
}
