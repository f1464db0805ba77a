// The pages that need no token: health, readiness, metrics and the public log keys. They order nothing.
import type { ServerResponse } from 'node:http';
import { sendJson, sendText } from './reply.ts';

/**
 * What each part of the gateway says of itself. A lost store does not make it unready: a fleet would leave together.
 */
export interface Readiness {
  readonly draining: boolean;
  /** Why nothing can be sealed, for people; null when it can. */
  readonly ledger: string | null;
  readonly policy: boolean;
  /** That an older policy set is in force, for people; null while it is the one in the folder. */
  readonly policyRejected: string | null;
  /** Why nothing can be paid from the budgets, for people; null when it can. */
  readonly store: string | null;
  readonly development: boolean;
}

/** What the pages tell. */
export interface PageParts {
  readonly readiness: () => Readiness;
  /** The text of a Prometheus scrape. */
  readonly metrics: () => Promise<string>;
  /** The public log keys as a JWKS. */
  readonly keys: () => { readonly keys: readonly Record<string, unknown>[] };
}

/** Answers with one page. */
export type Page = (parts: PageParts, response: ServerResponse) => void | Promise<void>;

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** What an orchestrator and a scraper ask for. */
export const PROBES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/healthz', (_parts, response) => sendJson(response, 200, { status: 'alive' })],
  ['/readyz', sendReadiness],
  ['/metrics', async (parts, response) => sendText(response, await parts.metrics(), METRICS_TYPE)],
]);

/** All of them, by path. */
export const PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ...PROBES,
  ['/keys', (parts, response) => sendJson(response, 200, parts.keys(), 'application/jwk-set+json')],
]);

function sendReadiness(parts: PageParts, response: ServerResponse): void {
  const { draining, ledger, policy, policyRejected, store, development } = parts.readiness();
  const ready = !draining && ledger === null && policy;
  sendJson(response, ready ? 200 : 503, {
    ready,
    gateway: draining ? 'draining' : 'serving',
    ledger: ledger ?? 'ok',
    policy: policyRejected ?? (policy ? 'ok' : 'unavailable'),
    store: store ?? 'ok',
    ...(development ? { development } : {}),
  });
}
