// A paid model endpoint that speaks the wires of common model clients, whole and streamed, and MCP; it can misbehave
// once it has the money. Every model in it answers the same words.
import type { ServerResponse } from 'node:http';
import { answerMcp, isFreeOfMcp, MCP_PATH } from './mcp-server.ts';
import { type PaidShop, paidShop, type ShopRequest } from './paid-shop.ts';

/** What it does once it was paid: the goods, this status, a reset, or nothing at all. */
export type After = 'deliver' | 'reset' | 'hang' | 429 | 500;

/** A shop of models. */
export interface ModelShop extends PaidShop {
  /** From now on. */
  behave(after: After): void;
  /** Lets streams go on that wait after their first words. */
  goOn(): void;
}

/** What every model says; a stream says the first words, waits for `goOn`, and says the rest. */
export const WORDS = ['Sunny ', 'and mild.'] as const;
const TEXT = WORDS.join('');

interface Wire {
  readonly whole: unknown;
  /** Server-sent events up to and with the first words, and the rest. */
  readonly first: readonly Event[];
  readonly rest: readonly Event[];
}

type Event = { readonly event?: string; readonly data: unknown };

/** Opens one on a free loopback port. */
export async function modelShop(): Promise<ModelShop> {
  let after: After = 'deliver';
  let goOn = () => {};
  const hand = async (response: ServerResponse, request: ShopRequest): Promise<void> => {
    if (isFreeOfMcp(request)) return answerMcp(response, request, TEXT);
    if (after === 'hang') return;
    if (after === 'reset') return void response.socket?.resetAndDestroy();
    if (after !== 'deliver') return fail(response, after);
    if (request.target === MCP_PATH) return answerMcp(response, request, TEXT);
    const wire = wireOf(request);
    if (!wire) return sendJson(response, 404, { error: { message: 'no such path', type: 'not_found' } });
    if (!isStreamed(request)) return sendJson(response, 200, wire.whole);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(wire.first.map(written).join(''));
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    response.end(wire.rest.map(written).join(''));
  };
  const shop = await paidShop(hand, { free: isFreeOfMcp });
  return {
    ...shop,
    behave: (what) => {
      after = what;
    },
    goOn: () => goOn(),
  };
}

/** Its own failure, with every invitation to try again at once. */
function fail(response: ServerResponse, status: number): void {
  response.setHeader('retry-after', '0');
  response.setHeader('x-should-retry', 'true');
  sendJson(response, status, { type: 'error', error: { message: 'the model fell over', type: 'overloaded_error' } });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function isStreamed({ target, body }: ShopRequest): boolean {
  return target.endsWith('?stream') || (body !== '' && JSON.parse(body).stream === true);
}

function written({ event, data }: Event): string {
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  return `${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`;
}

function wireOf({ target }: ShopRequest): Wire | undefined {
  const wires: Record<string, Wire> = {
    '/v1/chat/completions': chatCompletions,
    '/v1/responses': responses,
    '/v1/messages': messages,
    '/v1/answer': plain,
  };
  return wires[target.split('?')[0] ?? ''];
}

const plain: Wire = {
  whole: { answer: TEXT },
  first: [{ data: WORDS[0] }],
  rest: [{ data: WORDS[1] }],
};

const CHAT = { id: 'chatcmpl-1', created: 1_790_000_000, model: 'sky-1' };
const CHAT_USAGE = { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 };

const chunk = (delta: unknown, finish: string | null = null): Event => ({
  data: {
    ...CHAT,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  },
});

/** OpenAI's chat completions. */
const chatCompletions: Wire = {
  whole: {
    ...CHAT,
    object: 'chat.completion',
    choices: [
      { index: 0, message: { role: 'assistant', content: TEXT, refusal: null }, logprobs: null, finish_reason: 'stop' },
    ],
    usage: CHAT_USAGE,
  },
  first: [chunk({ role: 'assistant', content: WORDS[0] })],
  rest: [chunk({ content: WORDS[1] }), chunk({}, 'stop'), { data: '[DONE]' }],
};

const ITEM = { type: 'message', id: 'msg_1', role: 'assistant' };
const PART = { type: 'output_text', annotations: [] };
const DONE_ITEM = { ...ITEM, status: 'completed', content: [{ ...PART, text: TEXT }] };
const RESPONSE = {
  ...{ id: 'resp_1', object: 'response', created_at: 1_790_000_000, model: 'sky-1' },
  ...{ error: null, incomplete_details: null, instructions: null, metadata: {}, tools: [], tool_choice: 'auto' },
};
const DONE_RESPONSE = {
  ...RESPONSE,
  status: 'completed',
  output: [DONE_ITEM],
  usage: {
    ...{ input_tokens: 3, output_tokens: 3, total_tokens: 6 },
    ...{ input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } },
  },
};

const numbered = (from: number, events: readonly { readonly type: string }[]): Event[] =>
  events.map((data, index) => ({ event: data.type, data: { ...data, sequence_number: from + index } }));

const AT = { item_id: ITEM.id, output_index: 0, content_index: 0 };

/** OpenAI's responses. */
const responses: Wire = {
  whole: DONE_RESPONSE,
  first: numbered(0, [
    part('response.created', { response: { ...RESPONSE, status: 'in_progress', output: [] } }),
    part('response.output_item.added', { output_index: 0, item: { ...ITEM, status: 'in_progress', content: [] } }),
    part('response.content_part.added', { ...AT, part: { ...PART, text: '' } }),
    part('response.output_text.delta', { ...AT, delta: WORDS[0], logprobs: [] }),
  ]),
  rest: numbered(4, [
    part('response.output_text.delta', { ...AT, delta: WORDS[1], logprobs: [] }),
    part('response.output_text.done', { ...AT, text: TEXT, logprobs: [] }),
    part('response.content_part.done', { ...AT, part: { ...PART, text: TEXT } }),
    part('response.output_item.done', { output_index: 0, item: DONE_ITEM }),
    part('response.completed', { response: DONE_RESPONSE }),
  ]),
};

function part<T extends object>(type: string, members: T): T & { readonly type: string } {
  return { type, ...members };
}

const MESSAGE = { id: 'msg_1', type: 'message', role: 'assistant', model: 'sky-1', stop_sequence: null };
const named = (data: { readonly type: string }): Event => ({ event: data.type, data });
const delta = (text: string): Event =>
  named(part('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }));

/** Anthropic's messages. */
const messages: Wire = {
  whole: {
    ...MESSAGE,
    content: [{ type: 'text', text: TEXT }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 3, output_tokens: 3 },
  },
  first: [
    named(
      part('message_start', {
        message: { ...MESSAGE, content: [], stop_reason: null, usage: { input_tokens: 3, output_tokens: 0 } },
      }),
    ),
    named(part('content_block_start', { index: 0, content_block: { type: 'text', text: '' } })),
    delta(WORDS[0]),
  ],
  rest: [
    delta(WORDS[1]),
    named(part('content_block_stop', { index: 0 })),
    named(
      part('message_delta', {
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: 3 },
      }),
    ),
    named({ type: 'message_stop' }),
  ],
};
