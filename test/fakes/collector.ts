// A collector of traces: takes OTLP over HTTP on loopback and reads it with nothing of the SDK that sends it, from
// protobuf or JSON (opentelemetry-proto, trace/v1/trace.proto). It can be told to be slow, to fail, or never to answer.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';

/** One span as it arrived; ids are hex digits. */
export interface TakenSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  /** Nanoseconds since 1970. */
  readonly start: bigint;
  readonly end: bigint;
  /** 0 unset, 1 ok, 2 error. */
  readonly status: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly resource: Readonly<Record<string, string | number>>;
}

/** What it answers from now on: takes it, fails with a status, or never answers. */
export type Mood = 'take' | 'hang' | number;

/** A running collector. */
export interface Collector {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string;
  readonly spans: TakenSpan[];
  /** Path, headers and body of every request, as one text. */
  readonly requests: { readonly path: string; readonly headers: IncomingMessage['headers']; readonly text: string }[];
  behave(mood: Mood): void;
  close(): Promise<void>;
}

/** Starts one on a free port of loopback, or on this one. */
export async function startCollector(port = 0): Promise<Collector> {
  let mood: Mood = 'take';
  const spans: TakenSpan[] = [];
  const requests: Collector['requests'] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const sent = Buffer.concat(parts);
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
    requests.push({ path: request.url ?? '', headers: request.headers, text: body.toString('latin1') });
    if (mood === 'hang') return;
    if (mood === 'take') spans.push(...(isJson(request) ? fromJson(body) : fromProtobuf(body)));
    response.statusCode = mood === 'take' ? 200 : mood;
    response.end();
  };
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a port is a number');
  return {
    url: `http://127.0.0.1:${address.port}`,
    spans,
    requests,
    behave: (next) => {
      mood = next;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

const isJson = (request: IncomingMessage): boolean => request.headers['content-type'] === 'application/json';

interface JsonValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
}
type JsonAttributes = readonly { readonly key: string; readonly value: JsonValue }[];
interface JsonSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: JsonAttributes;
  readonly status?: { readonly code?: number };
}
interface JsonRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: JsonAttributes };
    readonly scopeSpans: readonly { readonly spans: readonly JsonSpan[] }[];
  }[];
}

function fromJson(body: Buffer): TakenSpan[] {
  const attributesOf = (list: JsonAttributes = []) =>
    Object.fromEntries(
      list.map(({ key, value }) => [
        key,
        value.stringValue ?? (value.intValue === undefined ? (value.doubleValue ?? 'other') : Number(value.intValue)),
      ]),
    );
  return (JSON.parse(body.toString()) as JsonRequest).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? '',
        name: span.name,
        kind: span.kind,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        status: span.status?.code ?? 0,
        attributes: attributesOf(span.attributes),
        resource: attributesOf(resource.attributes),
      })),
    ),
  );
}

/** The fields of a protobuf message by number, in the order in which they came. */
function fieldsOf(message: Buffer): Map<number, (Buffer | bigint)[]> {
  const fields = new Map<number, (Buffer | bigint)[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const read = (type: number): Buffer | bigint => {
    if (type === 0) return varint();
    const bytes = type === 1 ? 8 : type === 5 ? 4 : type === 2 ? Number(varint()) : Number.NaN;
    if (!(at + bytes <= message.length)) throw new TypeError(`no protobuf: wire type ${type} at ${at}`);
    at += bytes;
    const value = message.subarray(at - bytes, at);
    return type === 1 ? value.readBigUInt64LE() : value;
  };
  while (at < message.length) {
    const tag = Number(varint());
    const values = fields.get(tag >> 3) ?? [];
    values.push(read(tag & 7));
    fields.set(tag >> 3, values);
  }
  return fields;
}

const messages = (fields: Map<number, (Buffer | bigint)[]>, number: number): Buffer[] =>
  (fields.get(number) ?? []).filter((value) => typeof value !== 'bigint');
const integer = (fields: Map<number, (Buffer | bigint)[]>, number: number): bigint => {
  const value = fields.get(number)?.[0] ?? 0n;
  return typeof value === 'bigint' ? value : 0n;
};
const bytesOf = (fields: Map<number, (Buffer | bigint)[]>, number: number): Buffer =>
  messages(fields, number)[0] ?? Buffer.alloc(0);

function attributesOf(fields: Map<number, (Buffer | bigint)[]>, number: number): TakenSpan['attributes'] {
  const entries = messages(fields, number).map((message): [string, string | number] => {
    const pair = fieldsOf(message);
    const value = fieldsOf(bytesOf(pair, 2));
    return [bytesOf(pair, 1).toString(), value.has(1) ? bytesOf(value, 1).toString() : Number(integer(value, 3))];
  });
  return Object.fromEntries(entries);
}

function fromProtobuf(body: Buffer): TakenSpan[] {
  return messages(fieldsOf(body), 1).flatMap((message) => {
    const group = fieldsOf(message);
    const resource = attributesOf(fieldsOf(bytesOf(group, 1)), 1);
    return messages(group, 2)
      .flatMap((scope) => messages(fieldsOf(scope), 2))
      .map((text) => {
        const span = fieldsOf(text);
        return {
          traceId: bytesOf(span, 1).toString('hex'),
          spanId: bytesOf(span, 2).toString('hex'),
          parentSpanId: bytesOf(span, 4).toString('hex'),
          name: bytesOf(span, 5).toString(),
          kind: Number(integer(span, 6)),
          start: integer(span, 7),
          end: integer(span, 8),
          status: Number(integer(fieldsOf(bytesOf(span, 15)), 3)),
          attributes: attributesOf(span, 9),
          resource,
        };
      });
  });
}
