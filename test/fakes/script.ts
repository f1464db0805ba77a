// What a hostile merchant does on the wire, as a list of steps, and the usual ways to misbehave. Bytes go out as they
// stand here; nothing is made correct on the way.

/** One step on the connection. After the last one it stays open for the next request. */
export type Step =
  | { readonly do: 'write'; readonly bytes: string | Uint8Array }
  | { readonly do: 'wait'; readonly ms: number }
  /** FIN. */
  | { readonly do: 'close' }
  /** RST. */
  | { readonly do: 'reset' }
  /** Nothing more, ever; the connection stays open. */
  | { readonly do: 'hang' };

export type Script = readonly Step[];

/** Header lines as they shall stand, in order; a name may come twice. */
export type HeaderLines = readonly (readonly [string, string])[];

/** What an answer consists of. */
export interface AnswerParts {
  readonly headers?: HeaderLines;
  readonly body?: string;
  /** Default `Content-Length` of the body; null: none is sent. */
  readonly contentLength?: number | null;
  readonly reason?: string;
}

/** A whole answer. */
export function answer(status: number, parts: AnswerParts = {}): Script {
  const { headers = [], body = '', contentLength = Buffer.byteLength(body), reason = 'Scripted' } = parts;
  const length: HeaderLines = contentLength === null ? [] : [['Content-Length', `${contentLength}`]];
  const lines = [...headers, ...length].map(([name, value]) => `${name}: ${value}\r\n`);
  return [{ do: 'write', bytes: `HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n${body}` }];
}

/** A 402 with one `WWW-Authenticate` line for each challenge. */
export function demand(challenges: string | readonly string[], parts: AnswerParts = {}): Script {
  const lines = [challenges].flat().map((value) => ['WWW-Authenticate', value] as const);
  return answer(402, {
    reason: 'Payment Required',
    body: '{}',
    ...parts,
    headers: [...lines, ...(parts.headers ?? [])],
  });
}

/** 200 and a small JSON body. */
export const goods: Script = answer(200, { headers: [['Content-Type', 'application/json']], body: '{"goods":true}' });

/** Takes the request and never answers. */
export const hang: Script = [{ do: 'hang' }];

/** Resets the connection after the first `bytes` bytes of `script`'s first write; by default at once. */
export function resetAfter(bytes = 0, script: Script = goods): Script {
  return [...cut(script, bytes), { do: 'wait', ms: 20 }, { do: 'reset' }];
}

/** Closes the connection in good order after the first `bytes` bytes: a body cut short. */
export function closeAfter(bytes: number, script: Script = goods): Script {
  return [...cut(script, bytes), { do: 'close' }];
}

/** An interim answer (1xx) before the real one. */
export function interim(status: number, headers: HeaderLines, then: Script): Script {
  return [...answer(status, { headers, contentLength: null }), ...then];
}

/** A redirect. */
export function redirect(status: number, location: string): Script {
  return answer(status, { headers: [['Location', location]] });
}

/** 101 to a protocol nobody asked for. */
export const switchProtocols: Script = answer(101, {
  headers: [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
  ],
  contentLength: null,
});

/** An answer whose header section is larger than `bytes`. */
export function hugeHeaders(bytes: number, status = 200): Script {
  const line = ['X-Padding', 'p'.repeat(1000)] as const;
  return answer(status, { headers: Array.from({ length: Math.ceil(bytes / 1000) }, () => line) });
}

/** A body in chunks without an end: `chunks` of `size` bytes, one each `everyMs`, then silence. */
export function endless(status: number, headers: HeaderLines, chunks: number, size: number, everyMs = 0): Script {
  const head = answer(status, { headers: [...headers, ['Transfer-Encoding', 'chunked']], contentLength: null });
  const chunk = `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`;
  const body: Step[] = Array.from({ length: chunks }, () => [
    { do: 'write' as const, bytes: chunk },
    { do: 'wait' as const, ms: everyMs },
  ]).flat();
  return [...head, ...body, { do: 'hang' }];
}

/** The same bytes, `size` at a time with a pause in between. */
export function slowly(script: Script, size: number, everyMs: number): Script {
  return script.flatMap((step): Step[] => {
    if (step.do !== 'write') return [step];
    const bytes = Buffer.from(step.bytes);
    const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
      bytes.subarray(n * size, (n + 1) * size),
    );
    return parts.flatMap((part): Step[] => [
      { do: 'write', bytes: part },
      { do: 'wait', ms: everyMs },
    ]);
  });
}

function cut(script: Script, bytes: number): Script {
  const first = script[0];
  if (bytes === 0 || first?.do !== 'write') return [];
  return [{ do: 'write', bytes: Buffer.from(first.bytes).subarray(0, bytes) }];
}
