// A whole operators' port over a real embedded store and ledger in a folder of its own, for tests.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Budget } from '../../src/budget/budget.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Clock } from '../../src/domain/clock.ts';
import type { HoldRequest } from '../../src/domain/hold.ts';
import type { ReceiptEntry } from '../../src/domain/receipt.ts';
import { Turns } from '../../src/domain/turns.ts';
import { openStore } from '../../src/gateway/store.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import type { OperatorToken } from '../../src/operators/guard.ts';
import { createOrders } from '../../src/operators/orders.ts';
import type { Readiness } from '../../src/operators/pages.ts';
import { createOperators, type OperatorsOptions } from '../../src/operators/server.ts';

export const WRITER = 'writer-secret-0123456789';
export const READER = 'reader-secret-0123456789';
export const LOCAL = 'local-secret-0123456789';

const token = (name: string, secret: string, changes: Partial<OperatorToken> = {}): OperatorToken => ({
  name,
  sha256: createHash('sha256').update(secret).digest('hex'),
  readOnly: false,
  localOnly: false,
  ...changes,
});

/** What a test can ask of the port, and what stands behind it. */
export interface TestPort {
  readonly url: string;
  readonly budget: Budget;
  readonly ledger: Ledger;
  readonly readiness: { -readonly [Part in keyof Readiness]: Readiness[Part] };
  /** Moves the port's own clock; the store keeps its own. */
  ahead(ms: number): void;
  close(): Promise<void>;
}

export const BUDGET = {
  budget: 'day',
  window: { kind: 'day' },
  per: 'agent',
  limitMicros: 5_000_000n,
  limitPayments: null,
} as const;

const CONFIG = `
listen: { agents: "127.0.0.1:0", operators: "127.0.0.1:0" }
state: { dir: ./var }
identity: { development: true }
services:
  - { id: weather, upstream: "http://127.0.0.1:9", allowPrivateNetwork: true }
`;

/** Opens a port on a free port number. */
export async function openPort(changes: Partial<OperatorsOptions> = {}): Promise<TestPort> {
  const folder = mkdtempSync(join(tmpdir(), 'purser-operators-'));
  const file = join(folder, 'config.yaml');
  writeFileSync(file, CONFIG, { mode: 0o600 });
  const { config, problems } = loadConfig(file, { env: {}, secrets: 'read' });
  if (!config) throw new Error(JSON.stringify(problems));
  let offset = 0;
  const clock: Clock = { now: () => Date.now() + offset, monotonic: () => performance.now() };
  const real: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };
  const store = await openStore(config, real, random);
  const { budget, ledger } = store;
  const readiness = {
    draining: false,
    ledger: null as string | null,
    policy: true,
    policyRejected: null,
    store: null as string | null,
    development: true,
  };
  const metrics = createMetrics({
    services: ['weather'],
    rails: ['sandbox'],
    store: async () => ({
      holds: { held: 0, exposed: 0, uncertain: 0 },
      oldestUncertainSeconds: 7,
      budgets: await budget.scopes(BUDGET, 1_000),
    }),
    policy: () => ({ version: 'a'.repeat(64), lastReloadSuccessful: true, agentsUntil: [] }),
    segmentsStuck: () => false,
    blocked: () => ({ draining: false, ledger: false, policy: false, store: false }),
  });
  const operators = createOperators({
    listen: { host: '127.0.0.1', port: 0 },
    tls: null,
    tlsAhead: false,
    tokens: [
      token('dana', WRITER),
      token('robin', READER, { readOnly: true }),
      token('local', LOCAL, { localOnly: true }),
    ],
    readiness: () => readiness,
    metrics: () => metrics.text(),
    keys: () => ledger.keys(),
    unexpected: (error) => {
      throw error;
    },
    budget,
    ledger,
    orders: createOrders({
      budget,
      ledger,
      clock,
      unwritten: () => false,
      turns: new Turns(),
      evidence: async () => null,
      knows: (kind, id) => kind === 'service' && id === 'weather',
    }),
    sight: () => null,
    budgetTerms: () => [BUDGET],
    explain: async (question) => question,
    policy: () => ({
      version: 'a'.repeat(64),
      lastReloadSuccessful: true,
      problems: [],
      agents: ['research-1'],
      entitlements: [],
      budgets: ['day'],
    }),
    ...changes,
  });
  // A gateway that is not heard of counts as gone, and its purchases as uncertain.
  await budget.heartbeat();
  const url = await operators.listen();
  return {
    url,
    budget,
    ledger,
    readiness,
    ahead: (ms) => {
      offset += ms;
    },
    async close() {
      await operators.close();
      metrics.close();
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

/** Sends exactly these headers, Host and Origin too, which fetch would not. */
export async function ask(
  url: string,
  options: { method?: string; token?: string; headers?: Record<string, string>; body?: unknown } = {},
): Promise<Answer> {
  const { method = 'GET', token: secret, headers = {}, body } = options;
  const sent = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      {
        method,
        agent: false,
        headers: {
          ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
          ...(sent === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }),
          ...headers,
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part) => {
          text += part;
        });
        response.on('end', () => {
          const type = String(response.headers['content-type'] ?? '');
          const json = type.includes('json') && text !== '' ? JSON.parse(text) : {};
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
        });
      },
    );
    call.on('error', reject);
    call.end(sent);
  });
}

/** Sets money aside, exposes it and seals `intended`, as a purchase does; `uncertain` once its request has ended. */
export async function purchase(
  port: TestPort,
  id: string,
  redeemableUntil = Date.now() + 60_000,
  agent = 'research-1',
): Promise<string> {
  const hold = `${port.ledger.log}.${id}`;
  const exchange = `exchange-${id}`;
  const request: HoldRequest = {
    id: hold,
    exchange,
    micros: 1_250_000n,
    lines: [{ ...BUDGET, scope: JSON.stringify([agent]) }],
    agent,
    service: 'weather',
    wallet: 'play',
    claim: { subject: '["i","research-1"]', key: null, fingerprint: id.padEnd(64, '0'), saysRetry: false },
    challengeId: `challenge-${id}`,
    payment: { network: 'sandbox', identity: `identity-${id}`, payee: 'acme', atoms: 125n },
    redeemableUntil,
    unsettledLimit: 100,
    leaseMs: 60_000,
  };
  const held = await port.budget.hold(request);
  if (held.kind !== 'held') throw new Error(`not held: ${held.kind}`);
  const exposed = await port.budget.expose(hold, 60_000);
  if (exposed.kind !== 'exposed') throw new Error(`not exposed: ${exposed.kind}`);
  await port.ledger.seal(intended(hold, exchange, redeemableUntil));
  return hold;
}

/** The request of a purchase ends without knowing what became of the proof. */
export async function leaveUncertain(port: TestPort, hold: string): Promise<void> {
  const ending = { code: 'payment_uncertain', upstreamStatus: null, receipt: `${port.ledger.log}.1` } as const;
  await port.budget.close(hold, ending, false);
}

function intended(hold: string, exchange: string, redeemableUntil: number): ReceiptEntry {
  return {
    kind: 'intended',
    exchange,
    trace: 'b'.repeat(32),
    agent: { id: 'research-1', subject: 'research-1', issuer: 'i', owner: 'dana@example.com', team: 'research' },
    service: { id: 'weather', provider: 'Acme' },
    hold: {
      id: hold,
      wallet: 'play',
      amount: '1.250000',
      fee: '0.000000',
      budgets: [{ id: 'day', scope: '["research-1"]', window: '2026-11-23T00:00:00.000Z' }],
    },
    proof: { identity: 'payer/nonce', redeemableUntil: new Date(redeemableUntil).toISOString() },
  };
}
