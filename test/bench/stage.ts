// What the paid parts of the bench share: gateways in processes of their own, on either store, with room to spend.
import { randomBytes } from 'node:crypto';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { type GatewayProcess, policy, spawnGateway } from '../support/gateway.ts';
import { CORE, pin } from './children.ts';

/** What is sold at the bench's merchant, as agents ask for it. */
export const GOODS = '/v1/forecast';

const ROOM = policy({ limit: '1000000.00 USD' });

/** A gateway whose budgets are in its own process. */
export async function embeddedGateway(upstream: string): Promise<GatewayProcess> {
  return pinned(await spawnGateway({ upstream, policies: ROOM }));
}

/** A gateway whose budgets are in that Redis. */
export async function redisGateway(upstream: string, redis: RedisServer): Promise<GatewayProcess> {
  const budgets = `{ store: redis, redis: { url: "${redis.url}", key: { env: SHARED_KEY } } }`;
  const env = { SHARED_KEY: randomBytes(32).toString('hex') };
  return pinned(await spawnGateway({ upstream, policies: ROOM, sections: { budgets }, env }));
}

/** A Redis on the core of the counterparties; null where none is installed. */
export async function benchRedis(): Promise<RedisServer | null> {
  if (!redisAvailable) {
    console.log('\n(no redis-server on the PATH: figures for Redis are left out)');
    return null;
  }
  const redis = await startRedis();
  pin(redis.pid, CORE.load);
  return redis;
}

function pinned(gateway: GatewayProcess): GatewayProcess {
  pin(gateway.child.pid ?? 0, CORE.measured);
  return gateway;
}
