// Four gateways on one Redis that writes everything down before it answers, each started again whenever it ends.
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDevelopmentIssuer } from '../../src/identity/development-issuer.ts';
import { type RedisServer, startRedis } from '../fakes/redis.ts';
import { freePort, type GatewayProcess, type GatewaySetup, spawnGateway } from '../support/gateway.ts';
import { onRedis } from '../support/stores.ts';
import { PRICE, SERVICES } from './market.ts';

/** How many gateways. */
export const PLACES = 4;
/** How many agents there are in turn, and how many purchases each may make. */
export const AGENTS = 2_000;
export const ROOM = 25;
/** A proof lives no longer than this. */
export const PROOF_MS = 15_000;

/** One gateway: its folder, its ports for good, and the process while there is one. */
export interface Place {
  readonly folder: string;
  readonly url: string;
  gateway: GatewayProcess | undefined;
}

/** Everything that can be tormented. */
export interface Town {
  readonly places: readonly Place[];
  redis: RedisServer | undefined;
  /** Starts Redis again on its data. */
  startRedis(): Promise<void>;
  /** From now on a gateway that ends is started again after this many milliseconds. */
  keepUp(afterMs: () => number): void;
  /** How often a gateway ended by itself. */
  ended(): number;
  close(): Promise<void>;
}

/** Opens it with everything running. */
export async function openTown(urls: Readonly<Record<string, string>>): Promise<Town> {
  const data = mkdtempSync(join(tmpdir(), 'purser-torture-redis-'));
  const redisPort = await freePort();
  const always = ['--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-min-size', '16mb'];
  const serve = () => startRedis({ port: redisPort, dir: data, args: always });
  let closed = false;
  let after = () => 0;
  let ended = 0;
  const { places, setups } = await openPlaces(urls, redisPort);
  const start = async (n: number): Promise<void> => {
    const place = places[n];
    while (place && !closed) {
      place.gateway = await spawnGateway(setups[n] ?? {}).catch(() => undefined);
      const { gateway } = place;
      if (gateway) {
        const [code] = await once(gateway.child, 'exit');
        if (code !== null) ended += 1;
      }
      place.gateway = undefined;
      await sleep(after() + 20);
    }
  };
  const town: Town = {
    places,
    redis: await serve(),
    startRedis: async () => {
      // On a busy machine it may need longer to read its data than it is given.
      town.redis = await serve().catch(serve).catch(serve);
    },
    keepUp: (afterMs) => {
      after = afterMs;
    },
    ended: () => ended,
    async close() {
      closed = true;
      await Promise.all(places.map(({ gateway }) => gateway?.kill()));
      await Promise.all(running);
      await town.redis?.stop();
      for (const folder of [data, ...places.map((place) => place.folder)]) rmSync(folder, { recursive: true });
    },
  };
  const running = places.map((_, n) => start(n));
  while (places.some(({ gateway }) => gateway === undefined)) await sleep(20);
  return town;
}

async function openPlaces(urls: Readonly<Record<string, string>>, redisPort: number) {
  const folders = Array.from({ length: PLACES }, () => mkdtempSync(join(tmpdir(), 'purser-torture-')));
  const issuer = join(folders[0] ?? '', 'var');
  await openDevelopmentIssuer(issuer);
  const places: Place[] = [];
  const setups: GatewaySetup[] = [];
  const store = onRedis(`redis://127.0.0.1:${redisPort}`);
  for (const folder of folders) {
    mkdirSync(join(folder, 'var'), { mode: 0o700, recursive: true });
    const key = 'development-issuer.pem';
    if (folder !== folders[0]) copyFileSync(join(issuer, key), join(folder, 'var', key));
    const [agents, operators] = [await freePort(), await freePort()];
    places.push({ folder, url: `http://127.0.0.1:${agents}`, gateway: undefined });
    const sections = { ...store.sections, ...sectionsFor(urls), listen: listenAt(agents, operators) };
    setups.push({ folder, sections, env: store.env, policies: POLICIES });
  }
  return { places, setups };
}

const listenAt = (agents: number, operators: number): string =>
  `{ agents: "127.0.0.1:${agents}", operators: "127.0.0.1:${operators}" }`;

function sectionsFor(urls: Readonly<Record<string, string>>): Record<string, string> {
  const services = Object.entries(urls).map(([id, url]) => `  - { id: ${id}, upstream: "${url}", ${PRIVATE} }`);
  const lifetime = `${PROOF_MS / 1_000}s`;
  return {
    services: `\n${services.join('\n')}`,
    wallets: `\n  - { id: play, rail: sandbox, key: { file: sandbox.pem }, proofLifetime: ${lifetime} }`,
    limits: '{ paymentSettle: 3s, holdLease: 5s, drain: 5s, diskReserve: 0B, unsettled: 1000000 }',
  };
}

const PRIVATE = 'allowPrivateNetwork: true';
const buyers = Array.from(
  { length: AGENTS },
  (_, n) => `  - { id: buyer-${n}, owner: dana@example.com, team: research }`,
);
const POLICIES = `agents:
${buyers.join('\n')}
  - { id: stranger, owner: dana@example.com, team: research }
budgets:
  - { id: all, limit: 1000000.00 USD, window: total, per: all }
  - { id: purse, limit: ${(Number(PRICE) * ROOM) / 1_000_000} USD, window: total, per: agent }
entitlements:
  - id: everybody-buys
    agents: { id: "buyer-*" }
    services: [${SERVICES.join(', ')}]
    assets: [usd.sandbox]
    payees: [acme]
    ceiling: 1.00 USD
    budgets: [all, purse]
`;
