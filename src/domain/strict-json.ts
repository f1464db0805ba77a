// JSON (RFC 8259) without any kindness: one reading or none. Duplicate keys, which parsers resolve differently, bytes
// that are not UTF-8, NUL, lone surrogates and deep nesting are refused, and no key can touch a prototype.

/** A JSON value as it was read. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** An object without prototype: each member is its own, `__proto__` and `constructor` too. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** What came of reading: the value, or one clause for people that quotes nothing of the text. */
export type JsonReading = { readonly value: Json } | { readonly problem: string };

/** How deep arrays and objects may lie in each other. */
export const MAX_JSON_DEPTH = 16;

/** Reads one JSON text of at most `mostBytes` bytes. */
export function readJson(bytes: Uint8Array, mostBytes: number): JsonReading {
  if (bytes.length > mostBytes) return { problem: `it is longer than ${mostBytes} bytes` };
  const text = decodeUtf8(bytes);
  if (text === undefined) return { problem: 'it is not UTF-8' };
  try {
    return { value: new Reader(text).whole() };
  } catch (error) {
    if (error instanceof SyntaxError) return { problem: error.message };
    throw error;
  }
}

/** Is it an object, rather than null, an array or a plain value? */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    // ignoreBOM keeps a byte order mark in the text, where the reader refuses it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these in strings.
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

/** One pass over the text, front to back; every step moves on or throws SyntaxError. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Json {
    const value = this.#value(0);
    if (this.#at < this.#text.length) this.#fail('something follows the value');
    return value;
  }

  #value(depth: number): Json {
    this.#match(SPACE);
    const value = this.#bare(depth);
    this.#match(SPACE);
    return value;
  }

  #bare(depth: number): Json {
    const first = this.#text[this.#at];
    if (first === '"') return this.#string();
    if (first === '{' || first === '[') {
      if (depth >= MAX_JSON_DEPTH) this.#fail(`it nests more than ${MAX_JSON_DEPTH} levels deep`);
      this.#at++;
      return first === '{' ? this.#object(depth + 1) : this.#array(depth + 1);
    }
    if (this.#take('true')) return true;
    if (this.#take('false')) return false;
    if (this.#take('null')) return null;
    return this.#number();
  }

  #object(depth: number): JsonObject {
    const object: Record<string, Json> = Object.create(null);
    this.#match(SPACE);
    if (this.#take('}')) return object;
    do {
      this.#match(SPACE);
      const start = this.#at;
      const key = this.#string();
      if (Object.hasOwn(object, key)) this.#fail('a key stands twice', start);
      this.#match(SPACE);
      if (!this.#take(':')) this.#fail('a colon is missing');
      object[key] = this.#value(depth);
    } while (this.#take(','));
    if (!this.#take('}')) this.#fail('an object does not end');
    return object;
  }

  #array(depth: number): Json[] {
    const items: Json[] = [];
    this.#match(SPACE);
    if (this.#take(']')) return items;
    do items.push(this.#value(depth));
    while (this.#take(','));
    if (!this.#take(']')) this.#fail('an array does not end');
    return items;
  }

  #string(): string {
    const start = this.#at;
    if (!this.#take('"')) this.#fail('a value or key is missing');
    const parts: string[] = [];
    while (!this.#take('"')) {
      parts.push(this.#match(PLAIN));
      if (this.#take('\\')) parts.push(this.#escape());
      else if (this.#text[this.#at] !== '"') this.#fail('a string does not end or holds a control character');
    }
    const string = parts.join('');
    if (!string.isWellFormed()) this.#fail('a string holds half of a surrogate pair', start);
    if (string.includes('\0')) this.#fail('a string holds NUL', start);
    return string;
  }

  #escape(): string {
    const letter = this.#text.charAt(this.#at++);
    if (letter !== 'u') return ESCAPES.get(letter) ?? this.#fail('an escape is not one of JSON');
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail('an escape is not one of JSON');
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  #number(): number {
    const start = this.#at;
    const digits = this.#match(NUMBER);
    if (digits === '') this.#fail('a value is missing or not one of JSON');
    const number = Number(digits);
    if (!Number.isFinite(number)) this.#fail('a number is too large', start);
    return number;
  }

  #take(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #fail(problem: string, at = this.#at): never {
    throw new SyntaxError(`${problem} (at character ${at + 1})`);
  }
}
