// JSON-RPC 2.0 to a node of an EVM chain, read strictly. A node is a stranger: nothing that it says is shown, and what
// cannot be read is a fault of the node, never a value.
import { isJsonObject, type Json, type JsonObject, readJson } from '../domain/strict-json.ts';

/** Posts a JSON body to the node; throws when it does not answer. */
export type AskNode = (
  body: string,
  signal: AbortSignal,
) => Promise<{ readonly status: number; readonly body: Uint8Array }>;

/** The node cannot be used for this look-up; the message is ours, one clause for people. */
export class NodeUnusable extends Error {}

/** What a node's answer may weigh: a full block of hashes, or the receipt of a large batch. */
const MOST_BYTES = 4 * 1024 * 1024;

/** One call; throws {@link NodeUnusable}. */
export async function callNode(
  ask: AskNode,
  signal: AbortSignal,
  method: string,
  params: readonly unknown[],
): Promise<Json> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const answer = await ask(body, signal).catch((error: unknown) => {
    throw new NodeUnusable(distrusted(error) ?? `does not answer ${method}`);
  });
  const json = readJson(answer.body, MOST_BYTES);
  if ('problem' in json || !isJsonObject(json.value)) {
    throw new NodeUnusable(`answers ${method} with HTTP ${answer.status} and no JSON-RPC`);
  }
  const { jsonrpc, id, result, error } = json.value;
  if (isJsonObject(error)) throw new NodeUnusable(`answers ${method} with error ${codeOf(error)}`);
  if (answer.status !== 200 || jsonrpc !== '2.0' || id !== 1 || result === undefined) {
    throw new NodeUnusable(`answers ${method} with HTTP ${answer.status} and no result`);
  }
  return result;
}

/** What is wrong when TLS did not believe the node's certificate; undefined for any other failure. */
function distrusted(error: unknown): string | undefined {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  if (typeof code !== 'string' || !/^[A-Z_]*(?:CERT|UNABLE_TO_VERIFY)[A-Z_]*$/.test(code)) return undefined;
  return `shows a certificate that is not trusted (${code}); its authority stands in networks[].tls.ca`;
}

function codeOf({ code }: JsonObject): string {
  return typeof code === 'number' && Number.isSafeInteger(code) ? String(code) : 'without a code';
}

/** A quantity as the wire has it: hex without leading zeros, at most 32 bytes. */
export function readQuantity(value: Json | undefined): bigint {
  if (typeof value === 'string' && /^0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})$/.test(value)) return BigInt(value);
  throw new NodeUnusable('gives a quantity that cannot be read');
}

/** Exactly so many bytes, in lower-case hex with `0x`. */
export function readBytes(value: Json | undefined, length: number): string {
  if (typeof value === 'string' && value.length === 2 + 2 * length && /^0x[0-9a-fA-F]*$/.test(value)) {
    return value.toLowerCase();
  }
  throw new NodeUnusable('gives a hash or address that cannot be read');
}

/** The members of an object. */
export function readObject(value: Json | undefined): JsonObject {
  if (isJsonObject(value)) return value;
  throw new NodeUnusable('gives something else than the object that was asked for');
}

/** The items of a list, at most so many. */
export function readList(value: Json | undefined, most: number): readonly Json[] {
  if (Array.isArray(value) && value.length <= most) return value;
  throw new NodeUnusable('gives something else than the list that was asked for');
}
