// Our reader beside that of mppx, the reference implementation, on the same header lines. Where one reads and the other
// does not, the reason must be listed here; where both read, they must have read the same.
import fc from 'fast-check';
import { Challenge } from 'mppx';
import { expect, test } from 'vitest';
import { readOffers } from '../../src/challenge/read-offers.ts';
import { readChallenges } from '../../src/challenge/www-authenticate.ts';
import { canonicalJson } from '../../src/domain/canonical.ts';
import type { Offer } from '../../src/domain/offer.ts';
import { KNOWN, LIMIT } from './demand.ts';
import { hostileLines, mutatedLines, validLines } from './wire.ts';

type Classes = Readonly<Record<string, RegExp>>;

/** What we refuse on purpose although mppx reads it, by the words of our refusal. */
const STRICTER: Classes = {
  'a line outside of RFC 9110’s grammar': /not a list of challenges/,
  'a Payment challenge without a method or an intent': /exactly one method and one intent/,
  'a known kind in another case': /written in lower case/,
  'an id that stands in two challenges': /stands in two challenges/,
  'an id of more than visible ASCII': /parameter id is "/,
  'an id too long': /parameter id is longer/,
  'an empty realm': /parameter realm is empty/,
  'a realm of unclear encoding': /parameter realm is "/,
  'a realm too long': /parameter realm is longer/,
  'a parameter name that mppx stops at': /the parameter name /,
  'an escape that RFC 9110 and mppx read differently': /holds a needless escape/,
  'a request with padding or junk in its base64url': /parameter request is "/,
  'a request with loose bits in its base64url': /request is not canonical base64url/,
  'a request that is not strict JSON': /request is not strict JSON/,
  'a request that is not canonical JSON': /request is not canonical JSON/,
  'an amount that is no whole number in a string': /request\.amount is /,
  'an amount of 0': /an amount of 0/,
  'a currency that is no lower-case code': /request\.currency is /,
  'a recipient that is no account': /request\.recipient is /,
  'an empty optional parameter': /parameter (?:expires|digest|opaque) is empty/,
  'an expiry that is not in the calendar': /expires is "/,
  'a digest that proves nothing': /digest is "/,
  'opaque that is not base64url': /parameter opaque is "/,
  'opaque that is no flat map': /opaque is not a flat/,
  'opaque too long': /parameter opaque is longer/,
  'a proof wanted in another header': /wants its proof in the header/,
};

/** What we read although mppx does not, by the words of its error. */
const READ_BY_US_ALONE: Classes = {
  // RFC 9530 knows more algorithms than sha-256, and a dictionary may begin with any of them.
  'a digest that does not begin with sha-256': /Invalid digest format/,
};
const SKIPPED = 'read by us alone: an unknown kind that mppx cannot read is skipped';

const PASSED_OVER = 'stricter: an offer that cannot be met is passed over beside another';

const counts = new Map<string, number>();

/** Judges `numRuns` demands and counts the outcomes. */
function run(lines: fc.Arbitrary<string[]>, numRuns: number, allowed?: string): void {
  const property = fc.property(lines, (demand) => {
    const outcome = judge(demand);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    expect(outcome).toBe(allowed ?? outcome);
  });
  fc.assert(property, { numRuns, seed: 402 });
}

test('on 22,000 demands, valid, hostile and mutated, we read what mppx reads or refuse for a listed reason', () => {
  run(validLines, 6_000, 'read alike');
  run(hostileLines, 10_000);
  run(mutatedLines, 6_000);

  const listed = [
    ...Object.keys(STRICTER).map((name) => `stricter: ${name}`),
    ...Object.keys(READ_BY_US_ALONE).map((name) => `read by us alone: ${name}`),
    SKIPPED,
    PASSED_OVER,
    'read alike',
    'refused by both',
  ];
  const rows = listed.map((outcome) => `${String(counts.get(outcome) ?? 0).padStart(6)}  ${outcome}`);
  console.info(['demands  outcome', ...rows].join('\n'));
  expect([...counts.keys()].filter((outcome) => !listed.includes(outcome))).toEqual([]);
  // A class that never occurs is not tested.
  expect(listed.filter((outcome) => !counts.has(outcome))).toEqual([]);
}, 120_000);

/** How the two readings of one demand relate; throws when they differ in a way that is not listed. */
function judge(lines: readonly string[]): string {
  const headers = lines.flatMap((line) => ['WWW-Authenticate', line]);
  const ours = readOffers({ headers }, { nowMs: 0, limitBytes: LIMIT, known: KNOWN });
  const reference = theirs(() =>
    Challenge.fromHeadersList(new Headers(lines.map((line) => ['WWW-Authenticate', line]))),
  );
  if ('kind' in ours) {
    if (typeof reference === 'string') return 'refused by both';
    if (/no wallet here answers/.test(ours.detail) && !reference.some(known)) return 'read alike';
    return `stricter: ${classOf(STRICTER, ours.detail)}`;
  }
  if (typeof reference !== 'string') {
    const payable = reference.filter(known).filter((challenge) => !unmeetable(challenge));
    expect(ours.offers.map(ourReading)).toEqual(payable.map(theirReading));
    return payable.length < reference.filter(known).length ? PASSED_OVER : 'read alike';
  }
  return judgeAlone(lines, ours.offers, reference);
}

/** We read a demand that mppx does not: the challenges that we would pay must be read alike one by one. */
function judgeAlone(lines: readonly string[], offers: readonly Offer[], error: string): string {
  const all = lines.flatMap((line) => readChallenges(line) ?? []);
  const raws = offers.map(
    ({ challenge }) => all.find(({ params }) => params.get('id')?.value === challenge.id)?.raw ?? '',
  );
  const singles = theirs(() => raws.map((raw) => Challenge.deserialize(raw)));
  if (typeof singles === 'string') return `read by us alone: ${classOf(READ_BY_US_ALONE, singles)}`;
  expect(offers.map(ourReading), error).toEqual(singles.map(theirReading));
  return SKIPPED;
}

/** What we pass over when something else is offered beside it. */
function unmeetable({ request, header }: Challenge.Challenge): boolean {
  return request.amount === '0' || header !== undefined;
}

function theirs(read: () => Challenge.Challenge[]): Challenge.Challenge[] | string {
  try {
    return read();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const known = ({ method, intent }: Challenge.Challenge) => KNOWN.has(`${method}/${intent}`);

function ourReading({ challenge, atoms, token, payee }: Offer) {
  const { id, realm, method, intent, expires, digest, opaque, description } = challenge;
  const members = JSON.parse(Buffer.from(challenge.request, 'base64url').toString('utf8'));
  // mppx drops a member of this name; to both it is nothing that is paid.
  Reflect.deleteProperty(members, '__proto__');
  const request = canonicalJson(members);
  // mppx takes an empty description for none.
  const shown = description === '' ? null : description;
  return { id, realm, method, intent, expires, digest, opaque, shown, request, paid: [`${atoms}`, token, payee] };
}

function theirReading({ request, ...challenge }: Challenge.Challenge): ReturnType<typeof ourReading> {
  const { id, realm, method, intent, expires = null, digest = null, opaque = null } = challenge;
  // Half of a surrogate pair is U+FFFD to us: it has no place in UTF-8.
  const shown = challenge.description?.toWellFormed() ?? null;
  const paid = [request.amount, request.currency, request.recipient].map(String);
  return { id, realm, method, intent, expires, digest, opaque, shown, request: canonicalJson(request), paid };
}

function classOf(classes: Classes, words: string): string {
  const name = Object.keys(classes).find((key) => classes[key]?.test(words));
  if (name === undefined) throw new Error(`not listed: ${words}`);
  return name;
}
