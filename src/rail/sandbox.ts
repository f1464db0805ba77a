// The sandbox rail: play money signed with an Ed25519 key, for demos and tests. It is refused at load beside a wallet
// of any real rail, and it must never sign anything but the sandbox wire (docs/sandbox-rail.md).
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { canonicalJson } from '../domain/canonical.ts';
import type { Random } from '../domain/clock.ts';
import { GatewayFault } from '../domain/fault.ts';
import type { Offer } from '../domain/offer.ts';
import { endOfLife } from './life.ts';
import type { PayableOutcome, PlannedPayment, Proof, RailAsset, Wallet } from './rail.ts';

/** What a sandbox wallet is opened with. */
export interface SandboxWalletOptions {
  readonly id: string;
  /** An Ed25519 private key, PKCS#8 PEM. */
  readonly pem: string;
  /** No proof can be redeemed later than this many milliseconds after it was planned. */
  readonly proofLifetimeMs: number;
  readonly random: Random;
}

/** Opens the wallet; throws GatewayFault('rail_unavailable') that names it when its key is not an Ed25519 key. */
export function openSandboxWallet({ id, pem, proofLifetimeMs, random }: SandboxWalletOptions): Wallet {
  const key = readKey(id, pem);
  const publicKey = rawPublicKey(key);
  return {
    id,
    answers: ['sandbox/charge'],
    payable: (offer, asset) => judge(id, offer, asset),
    plan(offer: Offer, nowMs: number): PlannedPayment {
      const nonce = Buffer.from(random.bytes(16)).toString('base64url');
      const redeemableUntil = endOfLife(offer.challenge, nowMs, proofLifetimeMs);
      return { offer, identity: `${publicKey}:${nonce}`, redeemableUntil, nonce };
    },
    async prove(payment: PlannedPayment, asset: RailAsset): Promise<Proof> {
      const judged = judge(id, payment.offer, asset);
      if (judged !== true) throw new GatewayFault('rail_unavailable', 'exposed', judged.detail);
      return { payload: signCharge(key, publicKey, payment), source: null };
    },
  };
}

/** Writes a fresh key (PKCS#8 PEM, mode 0600) to `path`; throws, changing nothing, when a file is already there. */
export function generateSandboxKey(path: string): void {
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { flag: 'wx', mode: 0o600, flush: true });
}

function readKey(id: string, pem: string): KeyObject {
  // Neither the key nor what OpenSSL says about it may reach a log, so the cause is dropped.
  const unreadable = () =>
    new GatewayFault(
      'rail_unavailable',
      'untouched',
      `wallet "${id}": its key is not an Ed25519 private key in PKCS#8 PEM; make one with ` +
        '`openssl genpkey -algorithm ed25519`',
    );
  if (!pem.includes('-----BEGIN PRIVATE KEY-----')) throw unreadable();
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    throw unreadable();
  }
  if (key.asymmetricKeyType !== 'ed25519') throw unreadable();
  return key;
}

/** The raw 32 bytes in base64url: `x` of the JWK (RFC 8037, section 2). */
function rawPublicKey(key: KeyObject): string {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  if (x === undefined) throw new TypeError('an Ed25519 key has an x');
  return x;
}

function judge(id: string, offer: Offer, asset: RailAsset): PayableOutcome {
  const { method, intent } = offer.challenge;
  if (method !== 'sandbox' || intent !== 'charge' || offer.network !== 'sandbox') {
    return { code: 'rail_unavailable', detail: `Wallet "${id}" pays sandbox charges only.` };
  }
  if (asset.network !== offer.network || asset.token !== offer.token) {
    return { code: 'rail_unavailable', detail: `Asset "${asset.id}" is not what the service asks for.` };
  }
  return true;
}

/** The payload of one charge (docs/sandbox-rail.md). */
function signCharge(key: KeyObject, publicKey: string, payment: PlannedPayment): Record<string, unknown> {
  const { id, realm, request } = payment.offer.challenge;
  const until = payment.redeemableUntil / 1000;
  const signed = canonicalJson(['sandbox/charge', id, realm, request, payment.nonce, until]);
  const signature = sign(null, Buffer.from(signed, 'utf8'), key).toString('base64url');
  return { key: publicKey, nonce: payment.nonce, until, signature };
}
