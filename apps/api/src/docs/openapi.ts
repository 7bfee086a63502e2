import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { type HandlerFacts, handlersOf } from '../edge/handlers.js';
import { jsonSchema, problemSchema } from './json-schema.js';
import { describeOperation, problemResponses } from './operation.js';

const openApiVersion = '3.1.1';
const methods = ['get', 'put', 'post', 'delete', 'patch'] as const;

const description = [
  'Open backend for clinics, med spas and membership organisations.',
  '',
  'Send `Authorization: Bearer <access token>` (POST /api/v1/auth/login). Instants are RFC 3339 with an offset, days',
  '`YYYY-MM-DD`, money integer minor units with a currency. Refusals are `application/problem+json` with a stable `code`.',
  'POSTs that create take an `Idempotency-Key`; changes take `If-Match` with the ETag that was read. Lists give `next`, the',
  '`cursor` of the following page, good for one hour.',
].join('\n');

/** The document of every route that a controller serves; built once, at boot, from the rules and the schemas themselves. */
export function openApiDocument(app: INestApplication, version: string): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Praxis')
    .setDescription(description)
    .setVersion(version)
    .setOpenAPIVersion(openApiVersion)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }, 'accessToken')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller}_${method}`,
    standardSchemaConverter: (schema, { schemaType }) => ({ schema: jsonSchema(schema, schemaType) }),
  });
  const facts = new Map(handlersOf(app).map((handler) => [`${handler.controller}_${handler.method}`, handler]));
  describeAll(document, facts);
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: problemSchema },
    responses: problemResponses,
  };
  return document;
}

function describeAll(document: OpenAPIObject, facts: ReadonlyMap<string, HandlerFacts>): void {
  for (const [path, item] of Object.entries(document.paths))
    for (const method of methods) {
      const operation = item[method];
      const handler = operation?.operationId === undefined ? undefined : facts.get(operation.operationId);
      if (operation && handler) item[method] = describeOperation(path, operation, handler);
    }
}
