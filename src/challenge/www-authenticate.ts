// Reads WWW-Authenticate values (RFC 9110, sections 5.6 and 11) in one pass, and takes payment challenges out of them.
// It must never guess: a value with one character out of the grammar has no reading.

/** One auth-param; a token's value and its source are the same. */
export interface AuthParam {
  readonly value: string;
  /** As written; for a quoted string what stands between the quotes, escapes included. */
  readonly source: string;
}

/** One challenge of any scheme. */
export interface AuthChallenge {
  /** As written; compare it lower-cased. */
  readonly scheme: string;
  /** By lower-case name; of a repeated one the first. */
  readonly params: ReadonlyMap<string, AuthParam>;
  /** Lower-case names that stand more than once. */
  readonly repeated: ReadonlySet<string>;
  /** As it stood in the header, from the scheme to the end of its last parameter. */
  readonly raw: string;
}

/**
 * The challenges of one header value (latin1, as Node gives it), in order; undefined when it is not of the grammar or
 * holds more than 256 of them.
 */
export function readChallenges(value: string): AuthChallenge[] | undefined {
  return new Reader(value).list();
}

/** Could a payment scheme stand in this value, wherever a lenient reader might find one? */
export function mentionsPayment(value: string): boolean {
  return MENTION.test(value);
}

/**
 * The values of all WWW-Authenticate lines of one response without payment challenges (Payment, L402, LSAT); those of
 * other schemes stay byte for byte. Beside a payment challenge, what cannot be read goes whole: it may be a part of it.
 */
export function stripPayment(values: readonly string[]): string[] {
  if (!values.some(mentionsPayment)) return [...values];
  return values.flatMap((value) => {
    const challenges = readChallenges(value);
    if (!challenges) return [];
    const kept = challenges.filter(({ scheme }) => !PAYMENT_SCHEMES.has(scheme.toLowerCase()));
    if (kept.length === challenges.length) return [value];
    return kept.length === 0 ? [] : [kept.map(({ raw }) => raw).join(', ')];
  });
}

const PAYMENT_SCHEMES: ReadonlySet<string> = new Set(['payment', 'l402', 'lsat']);
const MENTION = /(?<![!#$%&'*+\-.^_`|~0-9A-Za-z])(?:payment|l402|lsat)(?![!#$%&'*+\-.^_`|~0-9A-Za-z])/i;

/** Far more than anybody offers; without it a few kilobytes would cost tens of thousands of objects. */
const MOST_CHALLENGES = 256;

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*/y;
const OWS = /[ \t]*/y;
const SPACES = / */y;

/** A challenge whose end has not been seen. */
interface Draft {
  readonly scheme: string;
  readonly start: number;
  end: number;
  readonly params: Map<string, AuthParam>;
  readonly repeated: Set<string>;
  /** A challenge has a token68 or parameters, never both. */
  hasToken68: boolean;
}

/** One pass, front to back: no position is looked at more than a few times. */
class Reader {
  readonly #text: string;
  #at = 0;
  readonly #drafts: Draft[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  /** `#challenge`: elements between commas, empty ones allowed. */
  list(): AuthChallenge[] | undefined {
    for (;;) {
      this.#match(OWS);
      if (this.#at === this.#text.length) break;
      if (this.#take(',')) continue;
      if (!this.#element()) return undefined;
      this.#match(OWS);
      if (this.#at < this.#text.length && !this.#take(',')) return undefined;
    }
    return this.#drafts.map(({ scheme, start, end, params, repeated }) => {
      return { scheme, params, repeated, raw: this.#text.slice(start, end) };
    });
  }

  /** A further parameter of the challenge before it, or a new challenge. */
  #element(): boolean {
    const start = this.#at;
    const scheme = this.#match(TOKEN);
    if (scheme === '') return false;
    const end = this.#at;
    this.#match(OWS);
    if (this.#text[this.#at] === '=') {
      const draft = this.#drafts.at(-1);
      this.#at = start;
      return draft !== undefined && !draft.hasToken68 && this.#param(draft);
    }
    this.#at = end;
    if (this.#drafts.length === MOST_CHALLENGES) return false;
    const draft: Draft = { scheme, start, end, params: new Map(), repeated: new Set(), hasToken68: false };
    this.#drafts.push(draft);
    return this.#match(SPACES) === '' || this.#first(draft);
  }

  /** What follows `scheme 1*SP`: a token68, a first parameter, or nothing. */
  #first(draft: Draft): boolean {
    const start = this.#at;
    const token68 = this.#match(TOKEN68);
    const end = this.#at;
    this.#match(OWS);
    if (this.#at === this.#text.length || this.#text[this.#at] === ',') {
      draft.hasToken68 = token68 !== '';
      if (draft.hasToken68) draft.end = end;
      this.#at = draft.end;
      return true;
    }
    this.#at = start;
    return this.#param(draft);
  }

  /** `token BWS "=" BWS ( token / quoted-string )` */
  #param(draft: Draft): boolean {
    const name = this.#match(TOKEN).toLowerCase();
    this.#match(OWS);
    if (name === '' || !this.#take('=')) return false;
    this.#match(OWS);
    const param = this.#text[this.#at] === '"' ? this.#quoted() : this.#token();
    if (!param) return false;
    if (draft.params.has(name)) draft.repeated.add(name);
    else draft.params.set(name, param);
    draft.end = this.#at;
    return true;
  }

  #token(): AuthParam | undefined {
    const value = this.#match(TOKEN);
    return value === '' ? undefined : { value, source: value };
  }

  /** Any octet of a field value may stand in quotes here; what a parameter may hold is judged by its reader. */
  #quoted(): AuthParam | undefined {
    const text = this.#text;
    const start = this.#at + 1;
    const parts: string[] = [];
    let from = start;
    for (let at = start; at < text.length; at++) {
      const escaped = text[at] === '\\';
      if (escaped || text[at] === '"') parts.push(text.slice(from, at));
      if (text[at] === '"') {
        this.#at = at + 1;
        return { value: parts.join(''), source: text.slice(start, at) };
      }
      if (escaped) from = ++at;
      const code = text.charCodeAt(at);
      if (code === 0 || code === 10 || code === 13 || code > 255) return undefined;
    }
    return undefined;
  }

  #take(expected: string): boolean {
    if (this.#text[this.#at] !== expected) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }
}
