// What became of a sandbox payment: the service's own page of it (docs/sandbox-rail.md, "Telling what became of a
// payment"). Anything but its exact answer tells nothing.
import { isJsonObject, readJson } from '../domain/strict-json.ts';
import { type Evidence, type EvidenceSource, type ExposedProof, unknown } from './evidence.ts';

/** Asks the service for the page at this path; throws when it does not answer. */
export type AskPage = (
  path: string,
  signal: AbortSignal,
) => Promise<{ readonly status: number; readonly date: string | null; readonly body: Uint8Array }>;

const MOST_BYTES = 1_024;

/** The books of one service; `now` in milliseconds since 1970. */
export function sandboxEvidence(ask: AskPage, now: () => number): EvidenceSource {
  return {
    rail: 'sandbox',
    async evidence(proof, signal) {
      // Taken before it is asked: what it says then is about a later moment.
      const askedAt = now();
      const nonce = /^[\w-]{43}:([\w-]{22})$/.exec(proof.identity)?.[1];
      if (nonce === undefined) return unknown('its name on the rail cannot be read');
      try {
        return judgePage(proof, askedAt, await ask(`/.well-known/sandbox-payments/${nonce}`, signal));
      } catch {
        return unknown('the service does not answer');
      }
    },
  };
}

/** What the page means. `false` counts only when the payment had ended by our clock and by the service's. */
export function judgePage(
  { identity, redeemableUntil }: ExposedProof,
  askedAt: number,
  { status, date, body }: Awaited<ReturnType<AskPage>>,
): Evidence {
  if (status !== 200) return unknown(`the service does not tell: it answered ${status}`);
  const redeemed = readPage(body);
  if (redeemed === undefined) return unknown('the service does not tell: its answer is not the page of a payment');
  if (redeemed) {
    const seen = 'the service says that it took the payment';
    return { verdict: 'redeemed', alarming: false, seen, reference: identity, block: null };
  }
  const until = new Date(redeemableUntil).toISOString();
  if (askedAt <= redeemableUntil) return unknown(`not taken so far; it can be until ${until}`);
  const there = date === null ? Number.NaN : Date.parse(date);
  if (!(there > redeemableUntil))
    return unknown(`not taken so far; the service's clock does not say that ${until} is past`);
  const seen = `the service says that it never took the payment, which ended at ${until}`;
  return { verdict: 'dead', alarming: false, seen, reference: seen, block: null };
}

function readPage(body: Uint8Array): boolean | undefined {
  const json = readJson(body, MOST_BYTES);
  if ('problem' in json || !isJsonObject(json.value)) return undefined;
  const { redeemed, ...more } = json.value;
  return typeof redeemed === 'boolean' && Object.keys(more).length === 0 ? redeemed : undefined;
}
