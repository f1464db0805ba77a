// Demands for tests, written as raw header lines so that every byte can be wrong, and how they are read.
import { readOffers } from '../../src/challenge/read-offers.ts';
import { canonicalJson } from '../../src/domain/canonical.ts';
import type { Offer } from '../../src/domain/offer.ts';
import type { Refusal } from '../../src/domain/refusal.ts';

export const NOW = Date.UTC(2026, 10, 23, 12);
export const LIMIT = 64 * 1024;
export const KNOWN: ReadonlySet<string> = new Set(['sandbox/charge', 'evm/charge']);

export const USDC = '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913';
export const SHOP = '0x742d35Cc6634c0532925a3b844bC9e7595F8fE00';

type Json = Readonly<Record<string, unknown>>;

/** Text or bytes in base64url. */
export const base64url = (content: string | Uint8Array): string => Buffer.from(content).toString('base64url');

/** The `request` of a sandbox charge of 10 usd atoms to `acme`, with members replaced; undefined leaves one out. */
export function sandboxRequest(changes: Json = {}): string {
  return encode({ amount: '10', currency: 'usd', recipient: 'acme', ...changes });
}

/** The `request` of an evm charge of 10000 atoms; `details` are merged into its methodDetails. */
export function evmRequest(changes: Json = {}, details: Json = {}): string {
  const methodDetails = present({ chainId: 8453, credentialTypes: ['authorization'], decimals: 6, ...details });
  return encode({ amount: '10000', currency: USDC, methodDetails, recipient: SHOP, ...changes });
}

/** One `Payment` challenge, each parameter quoted; null leaves one out. */
export function payment(changes: Readonly<Record<string, string | null>> = {}): string {
  const defaults = { id: 'c1', realm: 'shop.example', method: 'sandbox', intent: 'charge', request: sandboxRequest() };
  const params = Object.entries({ ...defaults, expires: '2026-11-23T12:05:00Z', ...changes });
  const written = params.flatMap(([name, value]) =>
    value === null ? [] : [`${name}="${value.replace(/[\\"]/g, '\\$&')}"`],
  );
  return `Payment ${written.join(', ')}`;
}

/** What is made of an answer with these WWW-Authenticate lines. */
export function reading(...lines: string[]): { readonly offers: readonly Offer[] } | Refusal {
  const headers = lines.flatMap((line) => ['WWW-Authenticate', line]);
  return readOffers(
    { headers: ['Content-Type', 'text/plain', ...headers] },
    { nowMs: NOW, limitBytes: LIMIT, known: KNOWN },
  );
}

/** The only offer of a demand that must be readable. */
export function offerOf(...lines: string[]): Offer {
  const outcome = reading(...lines);
  if ('kind' in outcome) throw new Error(outcome.detail);
  const [offer] = outcome.offers;
  if (!offer || outcome.offers.length > 1) throw new Error(`${outcome.offers.length} offers`);
  return offer;
}

/** Code and detail of a demand that must be refused. */
export function refusalOf(...lines: string[]): string {
  const outcome = reading(...lines);
  return 'kind' in outcome ? `${outcome.code}: ${outcome.detail}` : `${outcome.offers.length} offers`;
}

function present(json: Json): Json {
  return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== undefined));
}

function encode(json: Json): string {
  return base64url(canonicalJson(present(json)));
}
