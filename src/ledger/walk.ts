// Receipts in order while their chain is checked, for readers of whole logs. A walk binds every byte it read to the
// last receipt's hash; whoever walks must then check that this last receipt is signed. Until then nothing is proved.
import { hash as digest } from 'node:crypto';
import type { Bought, Receipt } from '../domain/receipt.ts';
import { NO_HASH } from './chain.ts';

const PREV = ',"prev":"';
const SEQ = ',"seq":';
const SEQ_DIGITS = 16;
const LINE_START = '{"hash":"';
const LINE_MIDDLE = '","receipt":';
const LINE_END = ',"signature":"';
const LINE_CLOSE = '"}';
const HASH_CHARACTERS = 64;
const AT_FIRST = '{"at":"';
const AGENT = '{"agent":{';
const OFFER = ',"offer":{';
const SERVICE = ',"service":{';
const HOLD = ',"hold":{';
const EXCHANGE = ',"exchange":"';
const DEVELOPMENT = ',"development":true';
const BACKSLASH = 0x5c;
const QUOTE = 0x22;
const OPEN = 0x7b;
const CLOSE = 0x7d;
/** No text can hold it, since its quote is not escaped; nor can the agent: names after its labels begin later. */
const AGENT_END = '},"a';

/** The receipts are not an unbroken run; `seq` is where that shows. */
export class ChainFault extends Error {
  readonly seq: number;

  constructor(seq: number, message: string) {
    super(message);
    this.name = 'ChainFault';
    this.seq = seq;
  }
}

/** A receipt's bytes beside the hash that is claimed for them. */
export interface Bound {
  readonly text: string;
  /** The bytes the text was read from; the text itself where it was never bytes. */
  readonly bytes: string | Uint8Array;
  readonly hash: string;
}

/** Where a walk came to. */
export interface Reached {
  readonly log: string;
  readonly first: number;
  readonly seq: number;
  readonly hash: string;
}

/**
 * One receipt of a walk. Its members are cut out of the canonical text, because reading each whole costs more than all
 * other steps together. The text is our own writing once the walk is proved: members stand in their order (RFC 8785),
 * and after each one that is looked for from the end no nested member has its name.
 */
export class Walked {
  readonly text: string;
  readonly log: string;
  readonly seq: number;
  /** Where that member stands in the text: the ones looked for stand before it. */
  readonly prev: number;
  /** What its bytes are said to hash to; empty where another thread has checked that. */
  readonly hash: string;

  constructor(text: string, log: string, seq: number, prev: number, hash: string) {
    this.text = text;
    this.log = log;
    this.seq = seq;
    this.prev = prev;
    this.hash = hash;
  }

  get kind(): string {
    return textAfter(this.text, ',"kind":"', this.prev);
  }

  /** As `at` is written. */
  get at(): string {
    if (this.text.startsWith(AT_FIRST)) return textAfter(this.text, AT_FIRST, 0);
    const challenge = this.text.indexOf(',"challenge":{');
    return textAfter(this.text, ',"at":"', challenge < 0 ? this.prev : challenge);
  }

  /** The hold alone; undefined when there is none. */
  hold(): Receipt['hold'] {
    const to = this.text.lastIndexOf(`,"id":"${this.log}.${this.seq}"`, this.prev);
    const from = this.text.lastIndexOf(HOLD, to);
    return from < 0 || to < from ? undefined : JSON.parse(this.text.slice(from + HOLD.length - 1, to));
  }

  /** Who bought what, of an `intended`: less to read than all of it. Throws SyntaxError as `whole` does. */
  bought(): Bought {
    const [text, prev] = [this.text, this.prev];
    const agentEnd = text.indexOf(AGENT_END);
    const offer = text.lastIndexOf(OFFER, prev);
    const service = text.indexOf(SERVICE, prev);
    const hold = text.lastIndexOf(HOLD, prev);
    const exchange = text.lastIndexOf(EXCHANGE, hold < 0 ? prev : hold);
    const decision = () => this.whole().decision;
    return {
      at: this.at,
      agent: text.startsWith(AGENT) ? parsedOnce(text.slice(AGENT.length - 1, agentEnd + 1)) : undefined,
      hold: this.hold(),
      offer: offer < 0 ? undefined : parsedOnce(text.slice(offer + OFFER.length - 1, prev)),
      service: service < 0 ? undefined : objectAt(text, service + SERVICE.length - 1),
      development: text.startsWith(DEVELOPMENT, exchange - DEVELOPMENT.length) ? true : undefined,
      get decision() {
        return decision();
      },
    };
  }

  /** All of it. Throws SyntaxError when it is not JSON. */
  whole(): Receipt {
    return JSON.parse(this.text);
  }
}

/** Are the bytes of a receipt what its hash says? */
export type HashCheck = (bound: Pick<Bound, 'bytes' | 'hash'>) => boolean;

/** Works it out. */
export const hashHolds: HashCheck = ({ bytes, hash }) => digest('sha256', bytes, 'hex') === hash;

/** A run of one log, from whatever receipt it begins with. */
export class ChainWalk {
  readonly log: string;
  readonly first: number;
  readonly #check: HashCheck;
  #seq: number;
  #hash: string;

  private constructor(log: string, first: number, prev: string, check: HashCheck) {
    this.log = log;
    this.first = first;
    this.#check = check;
    this.#seq = first - 1;
    this.#hash = prev;
  }

  /** A walk that begins with this receipt, which is still to be taken. Throws ChainFault when it is none. */
  static from(first: Bound, check: HashCheck = hashHolds): ChainWalk {
    const { log, seq, prev } = readFirst(first.text);
    if (typeof log !== 'string' || typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) {
      throw new ChainFault(1, 'the first receipt does not say its log and seq');
    }
    return new ChainWalk(log, seq, seq === 1 ? NO_HASH : String(prev), check);
  }

  get reached(): Reached {
    return { log: this.log, first: this.first, seq: this.#seq, hash: this.#hash };
  }

  /** Takes the next receipt. Throws ChainFault when it does not follow the one before, or is not what its hash says. */
  take(bound: Bound): Walked {
    const { text, hash } = bound;
    const seq = this.#seq + 1;
    const place = text.lastIndexOf(SEQ);
    const found = Number.parseInt(text.slice(place + SEQ.length, place + SEQ.length + SEQ_DIGITS), 10);
    if (Number.isNaN(found)) throw new ChainFault(seq, 'what stands here is not a receipt');
    if (found !== seq) throw new ChainFault(seq, `a receipt with seq ${found} stands here`);
    const prev = text.lastIndexOf(PREV, place);
    if (prev < 0 || !text.startsWith(`${this.#hash}"`, prev + PREV.length)) {
      throw new ChainFault(seq, 'prev is not the hash of the receipt before');
    }
    if (!this.#check(bound)) throw new ChainFault(seq, 'the hash is not that of the receipt');
    this.#seq = seq;
    this.#hash = hash;
    return new Walked(text, this.log, seq, prev, hash);
  }
}

/** The name of the log that a receipt says it is of; empty when it says none. */
export const logIn = ({ text }: Bound): string => textAfter(text, ',"log":"', text.lastIndexOf(PREV));

/** The receipt in a line of an export (without its line feed); undefined for any other line, the signed head's too. */
export function boundInLine(line: Uint8Array): Bound | undefined {
  const buffer = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  const from = LINE_START.length + HASH_CHARACTERS + LINE_MIDDLE.length;
  // No signature has a quote in it: the one before its own end begins it.
  const end = buffer.lastIndexOf(QUOTE, buffer.length - LINE_CLOSE.length - 1) + 1;
  const to = end - LINE_END.length;
  if (buffer.toString('latin1', Math.max(0, to), end) !== LINE_END) return undefined;
  const start = buffer.toString('latin1', 0, from);
  if (to < from || !start.startsWith(LINE_START) || !start.endsWith(LINE_MIDDLE)) return undefined;
  const bytes = buffer.subarray(from, to);
  return { text: bytes.toString('utf8'), bytes, hash: start.slice(LINE_START.length, from - LINE_MIDDLE.length) };
}

function readFirst(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text));
  } catch {
    throw new ChainFault(1, 'the first receipt is not JSON');
  }
}

const parsed = new Map<string, unknown>();
const MOST_PARSED = 4_096;

/** Who buys what and where is the same for many purchases: read once. Nobody changes what comes of it. */
function parsedOnce<T>(text: string): T {
  const known = parsed.get(text);
  if (known !== undefined) return known as T;
  if (parsed.size >= MOST_PARSED) parsed.clear();
  const value: unknown = JSON.parse(text);
  parsed.set(text, value);
  return value as T;
}

/** The object that begins here, up to its own closing brace, whatever its texts hold. */
function objectAt(text: string, from: number): Receipt['service'] {
  let [depth, quoted] = [0, false];
  for (let at = from; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === BACKSLASH) at += 1;
    else if (character === QUOTE) quoted = !quoted;
    else if (!quoted && character === OPEN) depth += 1;
    else if (!quoted && character === CLOSE && --depth === 0) return parsedOnce(text.slice(from, at + 1));
  }
  throw new SyntaxError('an object does not end');
}

function textAfter(text: string, name: string, before: number): string {
  const from = text.lastIndexOf(name, before);
  return from < 0 ? '' : text.slice(from + name.length, text.indexOf('"', from + name.length));
}
