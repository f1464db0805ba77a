// OpenAPI 3.1 of the operators' API, generated from the forms it reads and the views it answers with.
import { z } from 'zod';
import { receipt } from '../domain/receipt.ts';
import { budgetQuery, explainQuery, receiptQuery, resolveOrder, rotateOrder, startOrder, stopOrder } from './forms.ts';
import { OPERATOR_PROBLEMS, type OperatorProblemCode } from './problem.ts';
import { budgetsAnswer, doneAnswer, holdsAnswer, policyAnswer, stopsAnswer } from './views.ts';

/** What the document needs from outside: the release, and the shape of what `explain` answers. */
export interface OpenApiParts {
  readonly version: string;
  readonly forecast: z.ZodType;
}

const sealed = z.object({ receipt, hash: z.string() });
const receiptsAnswer = z.object({ receipts: z.array(sealed) });
const problemAnswer = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.enum(Object.keys(OPERATOR_PROBLEMS) as [OperatorProblemCode, ...OperatorProblemCode[]]),
});

/** The document. */
export function openApi({ version, forecast }: OpenApiParts): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Purser, operators’ API',
      version,
      description: 'Money is text with six decimals in the accounting currency; instants are RFC 3339 in UTC.',
    },
    servers: [{ url: 'http://127.0.0.1:8403' }],
    security: [{ operator: [] }],
    paths: {
      '/api/receipts': { get: reading('receipts', 'Receipts that match, newest first', receiptsAnswer, receiptQuery) },
      '/api/receipts/{id}': { get: { ...reading('receipt', 'One receipt', sealed), parameters: [ID] } },
      '/api/budgets': { get: reading('budgets', 'Each budget with its fullest scopes', budgetsAnswer, budgetQuery) },
      '/api/holds': { get: reading('holds', 'Open holds with their evidence', holdsAnswer) },
      '/api/holds/{id}/resolve': {
        post: { ...order('resolveHold', 'Say how an uncertain hold ended', resolveOrder), parameters: [ID] },
      },
      '/api/stops': {
        get: reading('stops', 'What is stopped', stopsAnswer),
        post: order('stop', 'No new payment for what is named', stopOrder),
        delete: reading('start', 'Lift exactly the stop that is named', doneAnswer, startOrder),
      },
      '/api/keys/rotate': { post: order('rotateKey', 'Give the log a new key, sealed by the old one', rotateOrder) },
      '/api/policy': { get: reading('policy', 'The policy set in force', policyAnswer) },
      '/api/explain': { get: reading('explain', 'What would be decided, asking nobody', forecast, explainQuery) },
    },
    components: {
      securitySchemes: { operator: { type: 'http', scheme: 'bearer', description: 'purser token --operator NAME' } },
      schemas: { Problem: schemaOf(problemAnswer, 'output') },
    },
  };
}

const ID = { name: 'id', in: 'path', required: true, schema: { type: 'string', pattern: '^[\\w.:~-]{1,200}$' } };

function reading(operationId: string, summary: string, answer: z.ZodType, query?: z.ZodObject) {
  return { operationId, summary, ...(query ? { parameters: parametersOf(query) } : {}), responses: responses(answer) };
}

function order(operationId: string, summary: string, form: z.ZodType) {
  const content = { 'application/json': { schema: schemaOf(form, 'input') } };
  return { operationId, summary, requestBody: { required: true, content }, responses: responses(doneAnswer) };
}

function responses(answer: z.ZodType) {
  const problem = { $ref: '#/components/schemas/Problem' };
  return {
    200: { description: 'Done', content: { 'application/json': { schema: schemaOf(answer, 'output') } } },
    default: { description: 'Not done, and why', content: { 'application/problem+json': { schema: problem } } },
  };
}

function parametersOf(query: z.ZodObject) {
  return Object.entries(query.shape).map(([name, value]) => ({
    name,
    in: 'query',
    required: !value.safeParse(undefined).success && !(value instanceof z.ZodExactOptional),
    schema: schemaOf(value, 'input'),
  }));
}

function schemaOf(shape: z.core.$ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...schema } = z.toJSONSchema(shape, { io, unrepresentable: 'any' });
  return schema;
}
