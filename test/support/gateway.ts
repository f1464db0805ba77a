// Starts real gateways for black-box tests: on a written configuration, in this process or in one of their own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import type { Receipt } from '../../src/domain/receipt.ts';
import { openGateway } from '../../src/gateway.ts';
import { openDevelopmentIssuer } from '../../src/identity/development-issuer.ts';
import { openLog } from '../../src/observe/log.ts';
import { showProblem } from '../../src/yaml/problem.ts';
import { freePort } from '../fakes/port.ts';

export { freePort };

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

/** What a test's gateway is made of; everything has a default that pays one service with play money. */
export interface GatewaySetup {
  /** The upstream of the service `shop`. */
  readonly upstream?: string;
  /** Further YAML at the top level of config.yaml (`limits:`, `budgets:`, …); replaces a section of that name. */
  readonly sections?: Readonly<Record<string, string>>;
  /** The policy file; default: {@link policy}. */
  readonly policies?: string;
  /** Use this folder (restart on the same state) instead of a new one. */
  readonly folder?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Further arguments of `serve`, for a gateway in a process of its own. */
  readonly args?: readonly string[];
}

const BUYERS = `  - { id: buyer-1, owner: dana@example.com, team: research }
  - { id: buyer-2, owner: sam@example.com, team: content }`;

/** The policy of most tests; each part can be replaced. */
export function policy(
  options: {
    limit?: string;
    payments?: number;
    window?: string;
    per?: string;
    ceiling?: string;
    payees?: string;
    agents?: string;
    more?: string;
  } = {},
): string {
  const { limit = '10.00 USD', payments, window = 'window: day', per = 'agent', ceiling = '1.00 USD' } = options;
  return `agents:
${options.agents ?? BUYERS}
budgets:
  - { id: purse, limit: ${limit}, ${payments === undefined ? '' : `payments: ${payments}, `}${window}, per: ${per} }
entitlements:
  - id: everybody-buys
    agents: { id: "buyer-*" }
    services: [shop]
    assets: [usd.sandbox]
    payees: ${options.payees ?? '[acme]'}
    ceiling: ${ceiling}
    budgets: [purse]
${options.more ?? ''}`;
}

/** A running gateway under test. */
export interface TestGateway {
  readonly folder: string;
  readonly configFile: string;
  readonly agents: string;
  readonly operators: string;
  /** A fresh token of the development issuer. */
  token(agent?: string, claims?: { task?: string; jti?: string }): Promise<string>;
  /** Asks the gateway as an agent (default `buyer-1`). */
  ask(path: string, init?: RequestInit & { agent?: string }): Promise<Response>;
  /** Everything sealed so far, in order. */
  receipts(): Promise<Receipt[]>;
  /** `/api/budgets`, and any other page of the operators' API. */
  api<T>(path: string, init?: RequestInit): Promise<T>;
  close(): Promise<void>;
}

/** Starts a gateway in this process, its log silent. */
export async function startGateway(setup: GatewaySetup = {}): Promise<TestGateway> {
  const { folder, configFile } = await writeFiles(setup);
  const { config, problems } = loadConfig(configFile, { env: { ...process.env, ...setup.env }, secrets: 'read' });
  if (!config) throw new Error(problems.map(showProblem).join('\n'));
  const gateway = await openGateway(config, openLog('silent'));
  const urls = await gateway.listen();
  return testGateway(folder, configFile, urls, async () => {
    await gateway.close();
    if (setup.folder === undefined) rmSync(folder, { recursive: true, force: true });
  });
}

/** A gateway in a process of its own, to be killed. */
export interface GatewayProcess extends TestGateway {
  readonly child: ChildProcess;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** What it wrote to standard output and standard error so far. */
  output(): string;
}

/** Starts `purser serve` and waits until both ports listen. */
export async function spawnGateway(setup: GatewaySetup = {}): Promise<GatewayProcess> {
  const { folder, configFile } = await writeFiles(setup);
  const child = spawn(process.execPath, [MAIN, 'serve', '--config', configFile, ...(setup.args ?? [])], {
    env: { ...process.env, ...setup.env },
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const urls = await listening(child, () => output).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  const exited = once(child, 'exit');
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  const gateway = testGateway(folder, configFile, urls, async () => {
    await end('SIGTERM');
    if (setup.folder === undefined) rmSync(folder, { recursive: true, force: true });
  });
  return { ...gateway, child, kill: () => end('SIGKILL'), output: () => output };
}

async function listening(child: ChildProcess, output: () => string): Promise<{ agents: string; operators: string }> {
  for (let waited = 0; waited < 30_000; waited += 20) {
    const match = /agents call (\S+)\/<service>\/…, operators (\S+)/.exec(output());
    if (match?.[1] && match[2]) return { agents: match[1], operators: match[2] };
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the gateway did not start:\n${output()}`);
}

async function writeFiles(setup: GatewaySetup): Promise<{ folder: string; configFile: string }> {
  const folder = setup.folder ?? mkdtempSync(join(tmpdir(), 'purser-test-'));
  mkdirSync(join(folder, 'policies'), { recursive: true });
  writeFileSync(join(folder, 'policies', 'policy.yaml'), setup.policies ?? policy());
  const configFile = join(folder, 'config.yaml');
  writeFileSync(configFile, await configText(setup));
  return { folder, configFile };
}

async function configText(setup: GatewaySetup): Promise<string> {
  const agents = await freePort();
  let operators = await freePort();
  while (operators === agents) operators = await freePort();
  const sections: Record<string, string> = {
    listen: `{ agents: "127.0.0.1:${agents}", operators: "127.0.0.1:${operators}" }`,
    identity: '{ development: true }',
    services: `\n  - { id: shop, upstream: "${setup.upstream ?? 'http://127.0.0.1:9'}", allowPrivateNetwork: true }`,
    assets: '\n  - { id: usd.sandbox, network: sandbox, token: usd, decimals: 2, value: "1 USD" }',
    wallets: '\n  - { id: play, rail: sandbox, key: { file: sandbox.pem } }',
    limits: '{ paymentSettle: 2s, diskReserve: 0B }',
    ...setup.sections,
  };
  return Object.entries(sections)
    .map(([name, text]) => `${name}: ${text}\n`)
    .join('');
}

function testGateway(
  folder: string,
  configFile: string,
  urls: { agents: string; operators: string },
  close: () => Promise<void>,
): TestGateway {
  const stateDir = join(folder, 'var');
  const token: TestGateway['token'] = async (agent = 'buyer-1', claims = {}) => {
    const issuer = await openDevelopmentIssuer(stateDir);
    return issuer.issue({ agent, ttlSeconds: 3_600, nowMs: Date.now(), ...claims });
  };
  const api = async <T>(path: string, init: RequestInit = {}): Promise<T> => {
    const { readOperatorToken } = await import('../../src/operators/operator-token.ts');
    const headers = {
      authorization: `Bearer ${await readOperatorToken(stateDir)}`,
      'content-type': 'application/json',
    };
    const answer = await fetch(`${urls.operators}/api/${path}`, { ...init, headers });
    return (await answer.json()) as T;
  };
  return {
    folder,
    configFile,
    ...urls,
    token,
    api,
    ask: async (path, { agent, ...init } = {}) => {
      const headers = new Headers(init.headers);
      if (!headers.has('purser-token')) headers.set('purser-token', await token(agent));
      return fetch(`${urls.agents}${path}`, { ...init, headers, redirect: 'manual' });
    },
    receipts: async () => {
      const { receipts } = await api<{ receipts: { receipt: Receipt }[] }>('receipts?limit=1000');
      return receipts.map(({ receipt }) => receipt).reverse();
    },
    close,
  };
}

/**
 * Sends exactly these bytes to an address and resolves with everything that came back until it closed or `ms` passed.
 */
export function sendRaw(url: string, bytes: string | Buffer, ms = 2_000): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    import('node:net').then(({ connect }) => {
      const socket = connect(Number(port), hostname, () => socket.write(bytes));
      let seen = '';
      socket.on('data', (chunk) => {
        seen += chunk.toString('latin1');
      });
      socket.on('close', () => resolve(seen));
      socket.on('error', () => resolve(seen));
      setTimeout(() => {
        socket.destroy();
        resolve(seen);
      }, ms).unref();
    });
  });
}

/** A request with node's own client, for what `fetch` does not let through (Proxy-Authorization, raw header lists). */
export function askRaw(
  url: string,
  options: { method?: string; headers?: string[]; body?: string; path?: string } = {},
): Promise<{ status: number; reason: string; headers: Record<string, string | string[] | undefined>; body: string }> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = [], body, path } = options;
    const target = new URL(url);
    const sent = httpRequest(
      {
        host: target.hostname,
        port: target.port,
        method,
        path: path ?? `${target.pathname}${target.search}`,
        headers: ['Host', target.host, ...headers],
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            reason: answer.statusMessage ?? '',
            headers: answer.headers,
            body: text,
          }),
        );
        answer.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
