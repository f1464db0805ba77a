// `purser schema`: JSON Schema of what people write and OpenAPI of what operators may ask, generated from the schemas
// by which both are read and answered.
import { z } from 'zod';
import { configShape } from '../config/shape.ts';
import { forecastShape } from '../explain/answer.ts';
import { openApi } from '../operators/openapi.ts';
import { policiesShape } from '../policy/shape.ts';
import { VERSION } from './version.ts';

/** What there is a schema of. */
export type SchemaName = 'config' | 'policies' | 'openapi';

/** As JSON, indented. */
export function schemaText(what: SchemaName): string {
  const documents = {
    config: () => written(configShape(), 'config.yaml of Purser: how the gateway runs'),
    policies: () => written(policiesShape, 'policies/*.yaml of Purser: who may spend how much on what'),
    openapi: () => openApi({ version: VERSION, forecast: forecastShape }),
  };
  return `${JSON.stringify(documents[what](), null, 2)}\n`;
}

/** What is accepted as it is written, before anything is read of it; rules that only code can judge are left out. */
function written(shape: z.ZodType, title: string): object {
  const { $schema, ...rest } = z.toJSONSchema(shape, WRITTEN);
  return { $schema, title, ...rest };
}

const WRITTEN: z.core.ToJSONSchemaParams = {
  io: 'input',
  unrepresentable: 'any',
  target: 'draft-07',
  override: ({ zodSchema, jsonSchema }) => {
    const { def } = zodSchema._zod;
    // What is preprocessed is a list of which one item may stand alone.
    if (def.type !== 'pipe' || def.in._zod.def.type !== 'transform') return;
    const { $schema: _, ...list } = z.toJSONSchema(def.out, WRITTEN);
    for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
    const { items } = list;
    jsonSchema.anyOf = [typeof items === 'object' && !Array.isArray(items) ? items : {}, list];
  },
};
