// What the rail tests share: a challenge read from a merchant's answer by the published parser, an offer made of it,
// and the request that carries a proof.
import { Challenge as MppChallenge } from 'mppx';
import type { Challenge, Offer } from '../../src/domain/offer.ts';
import type { Proof, RailAsset } from '../../src/rail/rail.ts';

export const usd: RailAsset = { id: 'usd.sandbox', network: 'sandbox', token: 'usd', decimals: 2, eip712: null };

/** A hand-made challenge; the request is only ever echoed here. */
export function challenge(changes: Partial<Challenge> = {}): Challenge {
  return {
    dialect: 'mpp',
    method: 'sandbox',
    intent: 'charge',
    id: 'challenge-1',
    realm: 'shop.test',
    request: 'e30',
    expires: null,
    expiresAt: null,
    digest: null,
    opaque: null,
    description: null,
    hash: '0'.repeat(64),
    ...changes,
  };
}

/** A hand-made sandbox offer of 10 atoms. */
export function sandboxOffer(changes: Partial<Offer> = {}): Offer {
  const stated = { decimals: null, credentialTypes: null };
  return { challenge: challenge(), network: 'sandbox', token: 'usd', atoms: 10n, payee: 'acme', stated, ...changes };
}

/** The challenge of a 402, its strings as they stood on the wire. */
export function challengeOf(response: Response): Challenge {
  const header = response.headers.get('www-authenticate') ?? '';
  const read = MppChallenge.deserialize(header);
  const request = /request="([^"]*)"/.exec(header)?.[1] ?? '';
  const expires = read.expires ?? null;
  return challenge({
    method: read.method,
    intent: read.intent,
    id: read.id,
    realm: read.realm,
    request,
    expires,
    expiresAt: expires === null ? null : Date.parse(expires),
  });
}

/** The credential (draft-httpauth-payment-00, "Credentials"). */
export function authorization({ id, realm, method, intent, request, expires }: Challenge, proof: Proof): string {
  const echoed = { id, realm, method, intent, request, ...(expires !== null && { expires }) };
  const source = proof.source === null ? {} : { source: proof.source };
  const credential = { challenge: echoed, payload: proof.payload, ...source };
  return `Payment ${Buffer.from(JSON.stringify(credential)).toString('base64url')}`;
}

/** Sends the proof along. */
export function pay(url: string, paid: Challenge, proof: Proof): Promise<Response> {
  return fetch(url, { headers: { authorization: authorization(paid, proof) } });
}
