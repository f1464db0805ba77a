// What no single key can tell: whether the parts of a configuration agree with each other. Pure but for a look at the
// state folder; it says everything it finds.
import type { Path } from '../yaml/problem.ts';
import type { Sections } from '../yaml/section.ts';
import { nearest } from '../yaml/words.ts';
import { isLoopback } from './addresses.ts';
import type { Parts } from './parts.ts';
import { judgeStateFolder } from './permissions.ts';

/** Gathers the problems between parts; `onDisk` also looks at the state folder. */
export function judgeConfig(sections: Sections, parts: Parts, onDisk: boolean): void {
  judgeDuplicates(sections);
  judgeListeners(sections, parts);
  judgeStore(sections, parts);
  judgeRedis(sections, parts, onDisk);
  judgePolicies(sections, parts);
  judgeIdentity(sections, parts);
  judgeServices(sections, parts);
  judgeMoney(sections, parts);
  judgeWallets(sections, parts);
  judgeNetworks(sections, parts);
  const wrong = onDisk && parts.state ? judgeStateFolder(parts.state.dir) : undefined;
  if (wrong !== undefined) sections.error(['state', 'dir'], `${parts.state?.dir} ${wrong}`);
}

function judgeDuplicates(sections: Sections): void {
  const lists: [Path, string][] = [
    [['services'], 'id'],
    [['networks'], 'id'],
    [['witnesses'], 'key'],
    [['assets'], 'id'],
    [['wallets'], 'id'],
    [['identity', 'issuers'], 'issuer'],
    [['operators', 'tokens'], 'name'],
    [['operators', 'tokens'], 'sha256'],
  ];
  for (const [path, key] of lists) {
    const seen = new Map<unknown, number>();
    sections.items(path).forEach((item, index) => {
      const name = item[key];
      if (typeof name !== 'string') return;
      const first = seen.get(name);
      if (first === undefined) seen.set(name, index);
      else sections.error([...path, index, key], `is the same as that of item [${first}]; each needs its own`);
    });
  }
}

function judgeListeners(sections: Sections, parts: Parts): void {
  const { listen, operators, identity } = parts;
  if (!listen) return;
  const open = (['agents', 'operators'] as const).filter((name) => !isLoopback(listen[name].host));
  const secured = listen.tls !== undefined || listen.tlsAhead;
  for (const name of open) {
    if (!secured)
      sections.error(['listen', name], 'is off loopback: needs listen.tls, or tlsAhead: true when TLS ends before it');
  }
  if (listen.tls !== undefined && listen.tlsAhead)
    sections.error(['listen', 'tlsAhead'], 'contradicts listen.tls; keep one');
  const { agents, operators: second, probes } = listen;
  if (agents.port !== 0 && agents.port === second.port && agents.host === second.host) {
    sections.error(['listen', 'operators'], 'is the same as listen.agents; operators need a port of their own');
  }
  for (const other of ['agents', 'operators'] as const) {
    if (!probes || probes.port === 0 || probes.port !== listen[other].port || probes.host !== listen[other].host)
      continue;
    sections.error(['listen', 'probes'], `is the same as listen.${other}; probes need a port of their own`);
  }
  listen.trustedProxies.forEach((network, index) => {
    if (!network.endsWith('/0')) return;
    sections.warn(
      ['listen', 'trustedProxies', index],
      'believes everybody: any caller can write any address into receipts; name the proxies alone',
    );
  });
  if (open.includes('agents') && identity?.development) {
    sections.warn(
      ['identity', 'development'],
      'is on while agents connect from off loopback: this is no production set-up; use identity.issuers there',
    );
  }
  if (open.includes('operators') && operators?.tokens.length === 0) {
    sections.warn(
      ['listen', 'operators'],
      'is off loopback without operators.tokens: /api is then not served; add one (purser token --operator NAME)',
    );
  }
}

function judgeStore(sections: Sections, parts: Parts): void {
  if (!parts.budgets) return;
  const { store, redis } = parts.budgets;
  if (store === 'redis' && !redis)
    sections.error(['budgets', 'redis'], 'is required with store: redis: give it url and key');
  if (store === 'embedded' && redis)
    sections.warn(['budgets', 'redis'], 'is not used, since the store is embedded; take it out, or write store: redis');
}

/** Where Redis is can be said in three ways, and only one at a time. */
function judgeRedis(sections: Sections, parts: Parts, secretsRead: boolean): void {
  const redis = parts.budgets?.redis;
  if (!redis || parts.budgets?.store !== 'redis') return;
  const at = (key: string): Path => ['budgets', 'redis', key];
  const absent = sections.raw(at('url')) === undefined;
  if (absent && !redis.sentinels && !redis.cluster)
    sections.error(at('url'), 'is required, or sentinels with master, or cluster');
  if (parts.limits && redis.missingAfter <= parts.limits.holdLeaseMs) {
    const message = 'must be longer than limits.holdLease: by then no payment of the missing gateway can still begin';
    sections.error(at('missingAfter'), message);
  }
  if (redis.sentinels && redis.cluster) sections.error(at('cluster'), 'contradicts sentinels; keep one');
  if (redis.sentinels && redis.master === undefined)
    sections.error(at('master'), 'is required with sentinels: the name under which they know the server');
  if (redis.master !== undefined && !redis.sentinels) sections.error(at('master'), 'is for sentinels; name them');
  const url = secretsRead && parts.redisUrl ? new URL(parts.redisUrl.reveal()) : undefined;
  if (redis.tls && url?.protocol === 'redis:') sections.error(at('tls'), 'is for TLS: write rediss:// in url');
  if (redis.cluster && url && !/^\/?0*$/.test(url.pathname))
    sections.error(at('url'), 'names a database, and a cluster has only number 0; take it out');
}

function judgePolicies(sections: Sections, parts: Parts): void {
  (parts.policies ?? []).forEach((folder, index, all) => {
    const first = all.indexOf(folder);
    if (first < index) sections.error(['policies', index], `is the same as item [${first}]; take one out`);
  });
}

const ID_TOKEN_TYPES = new Set(['jwt', 'application/jwt', 'absent']);

function judgeIdentity(sections: Sections, parts: Parts): void {
  const none = sections.items(['identity', 'issuers']).length === 0;
  if (parts.identity && !parts.identity.development && none) {
    sections.error(
      ['identity', 'issuers'],
      'is empty: nobody could be identified; add an issuer, or development: true to try things out',
    );
  }
  for (const { value, path } of parts.issuers) {
    if (!value.types.some((type) => ID_TOKEN_TYPES.has(type.toLowerCase()))) continue;
    sections.warn(
      [...path, 'types'],
      `lets an ID token for the audience ${value.audience} pass as an agent's token; use at+jwt if the issuer can`,
    );
  }
}

function judgeServices(sections: Sections, parts: Parts): void {
  for (const { value, path } of parts.services) {
    if (!value.allowPlainHttp) continue;
    const message = 'lets payments and answers travel unencrypted, where others can read and change them; use https';
    sections.warn([...path, 'allowPlainHttp'], message);
  }
}

function judgeMoney(sections: Sections, parts: Parts): void {
  const currency = parts.accounting?.currency;
  const seen = new Map<string, string>();
  for (const { value, path } of parts.assets) {
    if (currency !== undefined && value.currency !== currency) {
      sections.error([...path, 'value'], `must be in the accounting currency, ${currency}`);
    }
    const key = JSON.stringify([value.network, value.token]);
    const first = seen.get(key);
    if (first === undefined) seen.set(key, value.id);
    else sections.error([...path, 'token'], `is on ${value.network} already, as asset ${first}; keep one`);
  }
}

function judgeWallets(sections: Sections, parts: Parts): void {
  const networks = [...new Set(parts.assets.map(({ value }) => value.network))];
  const allRead = parts.assets.length === sections.items(['assets']).length;
  const real = parts.wallets.some(({ value }) => value.rail !== 'sandbox');
  const currency = parts.accounting?.currency;
  for (const { value, path } of parts.wallets) {
    if (currency !== undefined && value.feeCurrency !== currency && value.feeCurrency !== 'XXX') {
      sections.error([...path, 'maxFee'], `must be in the accounting currency, ${currency}`);
    }
    value.networks.forEach((network, index) => {
      if (networks.includes(network) || !allRead) return;
      const near = nearest(network, networks);
      const hint = near === undefined ? '' : `; did you mean \`${near}\`?`;
      const at = value.rail === 'sandbox' ? [...path, 'rail'] : [...path, 'networks', index];
      sections.error(at, `no asset is on ${network}, so nothing could be paid there: add one to assets${hint}`);
    });
    if (value.rail !== 'sandbox') continue;
    if (real)
      sections.error(
        [...path, 'rail'],
        'a sandbox wallet cannot stand beside a wallet of a real rail; take one of them out',
      );
    if (value.key === null && parts.identity?.development !== true) {
      sections.error(
        [...path, 'key'],
        `the file ${value.keyFile} does not exist; make it: openssl genpkey -algorithm ed25519 -out FILE`,
      );
    }
  }
  if (real && parts.identity?.development) {
    sections.error(
      ['identity', 'development'],
      'cannot be true beside a wallet of a real rail: anybody with the state folder could spend its money; keep one',
    );
  }
}

/** Where nobody looks, an uncertain payment stays uncertain until a person finds out. */
function judgeNetworks(sections: Sections, parts: Parts): void {
  const written = sections.items(['networks']).map(({ id }) => id);
  const wallets = parts.wallets.filter(({ value }) => value.rail === 'evm');
  for (const { value, path } of wallets) {
    value.networks.forEach((network, index) => {
      if (written.includes(network)) return;
      const message = `is not under networks: what became of an uncertain payment there is not looked up; name an rpc`;
      sections.warn([...path, 'networks', index], message);
    });
  }
  if (parts.wallets.length < sections.items(['wallets']).length) return;
  for (const { value, path } of parts.networks) {
    if (wallets.some(({ value: { networks } }) => networks.includes(value.id))) continue;
    sections.warn([...path, 'id'], 'is not used, since no wallet pays there; take it out');
  }
}
