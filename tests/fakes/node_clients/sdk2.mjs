// A client on the TypeScript SDK 2: `node sdk2.mjs <node_modules/@modelcontextprotocol/client>`.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { answers, CAPABILITIES, HEARD, INFO, main } from './steps.mjs';

const load = (file) => import(pathToFileURL(join(process.argv[2], 'dist', file)).href);
const { Client, StreamableHTTPClientTransport } = await load('index.mjs');
const { StdioClientTransport } = await load('stdio.mjs');

async function connect({ endpoint, mode, root }, told) {
  const versionNegotiation = mode === undefined ? undefined : { mode };
  const client = new Client(INFO, { capabilities: CAPABILITIES, versionNegotiation });
  for (const [method, answer] of Object.entries(answers(root))) {
    client.setRequestHandler(method, answer);
  }
  for (const method of HEARD) {
    client.setNotificationHandler(method, ({ params }) => told.hear(method, params));
  }
  const transport =
    endpoint.url === undefined
      ? new StdioClientTransport({ ...endpoint, stderr: 'inherit' })
      : new StreamableHTTPClientTransport(new URL(endpoint.url));
  await client.connect(transport);
  return {
    client,
    version: () => client.getNegotiatedProtocolVersion(),
    isModern: () => client.getProtocolEra() === 'modern',
    call: (params, options) => client.callTool(params, options),
    async close() {
      if (client.getProtocolEra() === 'legacy') await transport.terminateSession?.();
      await client.close();
    },
  };
}

await main(connect);
