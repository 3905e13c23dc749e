// A client on the TypeScript SDK 1: `node sdk1.mjs <node_modules/@modelcontextprotocol/sdk>`.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { answers, CAPABILITIES, HEARD, INFO, main } from './steps.mjs';

const load = (file) => import(pathToFileURL(join(process.argv[2], 'dist/esm', file)).href);
const { Client } = await load('client/index.js');
const { StdioClientTransport } = await load('client/stdio.js');
const { StreamableHTTPClientTransport } = await load('client/streamableHttp.js');
const types = await load('types.js');

const ASKED = {
  'elicitation/create': types.ElicitRequestSchema,
  'sampling/createMessage': types.CreateMessageRequestSchema,
  'roots/list': types.ListRootsRequestSchema,
};
const TOLD = {
  'notifications/tools/list_changed': types.ToolListChangedNotificationSchema,
  'notifications/prompts/list_changed': types.PromptListChangedNotificationSchema,
  'notifications/resources/list_changed': types.ResourceListChangedNotificationSchema,
  'notifications/resources/updated': types.ResourceUpdatedNotificationSchema,
  'notifications/message': types.LoggingMessageNotificationSchema,
};

async function connect({ endpoint, root }, told) {
  const client = new Client(INFO, { capabilities: CAPABILITIES });
  for (const [method, answer] of Object.entries(answers(root))) {
    client.setRequestHandler(ASKED[method], answer);
  }
  for (const method of HEARD) {
    client.setNotificationHandler(TOLD[method], ({ params }) => told.hear(method, params));
  }
  const transport =
    endpoint.url === undefined
      ? new StdioClientTransport({ ...endpoint, stderr: 'inherit' })
      : new StreamableHTTPClientTransport(new URL(endpoint.url));
  let version;
  transport.setProtocolVersion = ((known) => (said) => {
    version = said;
    known?.call(transport, said);
  })(transport.setProtocolVersion);
  await client.connect(transport);
  return {
    client,
    version: () => version,
    isModern: () => false,
    call: (params, options) => client.callTool(params, undefined, options),
    async close() {
      await transport.terminateSession?.();
      await client.close();
    },
  };
}

await main(connect);
