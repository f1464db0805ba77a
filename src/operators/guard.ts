// Who may use the operators' port: judged from the request's head alone, before anything is read or done. It must never
// let a web page in the operator's browser speak for them.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { type OperatorProblem, problem } from './problem.ts';

/** A token that operators show; only its hash is known here. */
export interface OperatorToken {
  readonly name: string;
  /** Lower-case hex SHA-256 of the token. */
  readonly sha256: string;
  /** May only look. */
  readonly readOnly: boolean;
  /** Accepted from loopback only: the generated one. */
  readonly localOnly: boolean;
}

/** True for 127.0.0.0/8, ::1 and their mapped form. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}

/**
 * On a loopback listener only loopback names reach it: a page whose own name was made to resolve to 127.0.0.1 (DNS
 * rebinding) shows that name here. Other listeners have names of the operator's choice.
 */
export function judgeHost(headers: IncomingHttpHeaders, listenHost: string): OperatorProblem | undefined {
  if (!isLoopback(listenHost) && listenHost !== 'localhost') return undefined;
  const host = hostName(headers.host ?? '');
  if (host === 'localhost' || host === listenHost || (isIP(host) !== 0 && isLoopback(host))) return undefined;
  return problem('host_forbidden', `This port answers to ${listenHost} and localhost only.`);
}

/** Browsers name the page that sends; only a page of this very port may. */
export function judgeOrigin(headers: IncomingHttpHeaders): OperatorProblem | undefined {
  const { origin, host } = headers;
  if (origin === undefined || (host !== undefined && /^https?:\/\//.test(origin) && origin.endsWith(`://${host}`))) {
    return undefined;
  }
  return problem(
    'origin_forbidden',
    'Requests from pages of another origin are not answered; send this one from a program, without Origin.',
  );
}

/** The token's entry, or why this request may not be made with what it shows. */
export function judgeToken(
  tokens: readonly OperatorToken[],
  request: { readonly method: string; readonly authorization: string | undefined; readonly from: string },
): OperatorToken | OperatorProblem {
  const shown = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(request.authorization ?? '')?.[1];
  if (shown === undefined) {
    return problem('token_missing', 'Send an operator token as "Authorization: Bearer …".');
  }
  const hash = createHash('sha256').update(shown).digest();
  // All are compared, so that the time taken tells nothing of which came close.
  const found = tokens.filter((token) => sameHash(hash, token.sha256))[0];
  if (!found)
    return problem(
      'token_unknown',
      'No operator token of this gateway has this value; make one with: purser token --operator NAME',
    );
  if (found.localOnly && !isLoopback(request.from)) {
    return problem('token_local_only', 'The generated token works on loopback only; configure operators.tokens.');
  }
  if (found.readOnly && request.method !== 'GET' && request.method !== 'HEAD') {
    return problem('token_read_only', `The token "${found.name}" may only look.`);
  }
  return found;
}

function sameHash(hash: Buffer, hex: string): boolean {
  const expected = Buffer.from(hex, 'hex');
  return expected.length === hash.length && timingSafeEqual(hash, expected);
}

function hostName(host: string): string {
  const bracketed = /^\[([0-9a-f:.]+)\](?::\d+)?$/i.exec(host)?.[1];
  return (bracketed ?? host.replace(/:\d+$/, '')).toLowerCase();
}
