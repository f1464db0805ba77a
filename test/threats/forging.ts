// A gateway with three configured issuers beside the development issuer, a shop that keeps what reached it, and the
// one way in which a forged token must end.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { type Idp, type IssuerKey, startIdp, type TokenParts } from '../fakes/idp.ts';
import { goods } from '../fakes/script.ts';
import { type GatewayProcess, policy, spawnGateway } from '../support/gateway.ts';
import { agentsOf, issuerEntry, purser, sealed, summed, totals } from './observables.ts';

/** The running parts; `buyer-1` to `buyer-4` belong to idp, other, rsa and the development issuer. */
export interface Forging {
  readonly idp: Idp;
  readonly other: Idp;
  /** Configured for RS256 alone. */
  readonly rsa: Idp;
  /** A second key of `idp`, to sign by hand. */
  readonly rawKey: IssuerKey;
  readonly shop: HostileMerchant;
  readonly gateway: GatewayProcess;
  /** An honest token of `idp` (or another issuer) for buyer-1, with something changed. */
  token(parts?: TokenParts, issuer?: Idp): Promise<string>;
  /** Sends it and expects 401, no receipt, nothing upstream; resolves with the detail. */
  refused(sent: string, code?: string): Promise<string>;
  /** The same for a request of another form. */
  refusedWith(headers: Record<string, string>, code?: string): Promise<string>;
  /** The token must be taken, or a refusal beside it would say nothing. */
  taken(sent: string): Promise<void>;
  /**
   * Ends the gateway: no money moved, and nothing was sealed but refusals of verified agents with one of `codes` and
   * the summaries, which count every refusal that was seen.
   */
  conclude(codes: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Starts all of it. */
export async function startForging(): Promise<Forging> {
  const folder = mkdtempSync(join(tmpdir(), 'purser-auth-'));
  const [idp, other, rsa] = await Promise.all([startIdp(), startIdp(), startIdp({ alg: 'RS256' })]);
  const rawKey = await idp.addKey('EdDSA', 'by-hand');
  const shop = await hostileMerchant({ unpaid: goods });
  const entry = (one: Idp, more = '') => `\n    - ${issuerEntry(one, more)}`;
  const gateway = await spawnGateway({
    folder,
    upstream: shop.url,
    sections: {
      identity: `\n  development: true\n  issuers:${entry(idp)}${entry(other)}${entry(rsa, ', algorithms: [RS256]')}`,
    },
    policies: policy({
      agents: [
        agentsOf(idp.issuer, ['buyer-1']),
        agentsOf(other.issuer, ['buyer-2']),
        agentsOf(rsa.issuer, ['buyer-3']),
        agentsOf('purser-development', ['buyer-4']),
      ].join('\n'),
    }),
  });
  const before = await totals(gateway);
  const counted: Record<string, number> = {};

  async function refusedWith(headers: Record<string, string>, code = 'token_invalid'): Promise<string> {
    const reached = shop.requests.length;
    const answer = await gateway.ask('/shop/v1/x', { headers: { 'purser-token': '', ...headers } });
    const problem = (await answer.json()) as { code: string; detail: string; receipt?: string };
    counted[problem.code] = (counted[problem.code] ?? 0) + 1;
    expect(problem.code).toBe(code);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer\b/);
    expect(answer.headers.get('x-should-retry')).toBe('false');
    expect(answer.headers.get('purser-receipt')).toBeNull();
    expect(problem.receipt).toBeUndefined();
    expect(shop.requests.length).toBe(reached);
    return problem.detail;
  }

  return {
    idp,
    other,
    rsa,
    rawKey,
    shop,
    gateway,
    token: (parts = {}, issuer = idp) => issuer.token({ ...parts, claims: { sub: 'buyer-1', ...parts.claims } }),
    refused: (sent, code) => refusedWith({ 'purser-token': sent }, code),
    refusedWith,
    async taken(sent) {
      const answer = await gateway.ask('/shop/v1/x', { headers: { 'purser-token': sent } });
      expect(answer.status).toBe(200);
      await answer.text();
    },
    async conclude(codes) {
      expect(await totals(gateway)).toBe(before);
      expect(gateway.child.exitCode).toBeNull();
      await gateway.close();
      const receipts = await sealed(gateway.configFile);
      expect(summed(receipts)).toEqual(counted);
      const others = receipts.filter(({ kind }) => kind !== 'policy' && kind !== 'summary');
      expect(others.map(({ kind, decision }) => [kind, decision?.code])).toEqual(
        codes.map((code) => ['refused', code]),
      );
      expect((await purser(['receipts', 'verify', '--config', gateway.configFile])).code).toBe(0);
    },
    async close() {
      await gateway.close();
      await Promise.all([idp.close(), other.close(), rsa.close(), shop.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A bare request with this token, for what clients do not send. */
export const requestWith = (sent: string): string =>
  `GET /shop/v1/x HTTP/1.1\r\nHost: gateway\r\nPurser-Token: ${sent}\r\nConnection: close\r\n\r\n`;
