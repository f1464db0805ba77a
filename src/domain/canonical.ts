// Canonical JSON (RFC 8785): one value, one sequence of bytes, so that hashes and signatures can be made again by
// anybody. It must never turn what JSON cannot say into something else: it throws instead.

/** How deep arrays and objects may lie in each other. */
export const MAX_DEPTH = 64;

/**
 * The canonical JSON text of `value` (RFC 8785): members ordered by UTF-16 code units, numbers and strings as
 * ECMAScript writes them. Takes null, booleans, finite numbers, well-formed strings, arrays and plain objects. Throws
 * TypeError for everything else (undefined, NaN, bigint, functions, class instances, lone surrogates, symbol keys) and
 * beyond {@link MAX_DEPTH} levels, which takes in every cycle.
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  if (typeof value === 'string') return writeString(value);
  if (typeof value === 'number') return writeNumber(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value !== 'object') throw new TypeError(`canonical JSON has no ${typeof value}`);
  if (depth >= MAX_DEPTH) throw new TypeError(`canonical JSON nests at most ${MAX_DEPTH} levels deep`);
  return Array.isArray(value) ? writeArray(value, depth + 1) : writeObject(value, depth + 1);
}

/** Text of which JSON escapes nothing, as nearly all is. */
const PLAIN = /^[ !#-[\]-~]*$/;

function writeString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError('canonical JSON has no lone surrogates');
  return JSON.stringify(text);
}

function writeNumber(number: number): string {
  if (!Number.isFinite(number)) throw new TypeError(`canonical JSON has no ${number}`);
  return JSON.stringify(number);
}

function writeArray(items: readonly unknown[], depth: number): string {
  // By index, not map(): a hole must be seen as undefined and throw.
  const parts: string[] = [];
  for (let index = 0; index < items.length; index++) parts.push(write(items[index], depth));
  return `[${parts.join(',')}]`;
}

function writeObject(object: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError('canonical JSON takes plain objects only');
  }
  if (Object.getOwnPropertySymbols(object).length > 0) throw new TypeError('canonical JSON has no symbol keys');
  // The default order of sort() is that of UTF-16 code units, which is what RFC 8785 section 3.2.3 asks for.
  const members = Object.keys(object).sort();
  const values = object as Readonly<Record<string, unknown>>;
  let text = '';
  for (const name of members) {
    text += `${text === '' ? '' : ','}${writeString(name)}:${write(values[name], depth)}`;
  }
  return `{${text}}`;
}
