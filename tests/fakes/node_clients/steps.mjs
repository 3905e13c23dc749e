// The steps that a client of either TypeScript SDK takes, and what it saw: one JSON line each.

const STEP_MILLISECONDS = 120_000;
const META = 'io.modelcontextprotocol/';
const CHANGED = {
  tools: 'notifications/tools/list_changed',
  prompts: 'notifications/prompts/list_changed',
  resources: 'notifications/resources/list_changed',
};
export const HEARD = [
  ...Object.values(CHANGED),
  'notifications/resources/updated',
  'notifications/message',
];
export const INFO = { name: 'compatibility', version: '1' };
export const CAPABILITIES = {
  elicitation: { form: {}, url: {} },
  sampling: {},
  roots: { listChanged: true },
};

/** What the client answers when it is asked. */
export function answers(root) {
  return {
    'elicitation/create': async (request) =>
      request.params.mode === 'url'
        ? { action: 'accept' }
        : { action: 'accept', content: { name: 'Ada' } },
    'sampling/createMessage': async () => ({
      role: 'assistant',
      content: { type: 'text', text: 'sampled' },
      model: 'none',
    }),
    'roots/list': async () => ({ roots: [{ uri: root, name: 'compatibility' }] }),
  };
}

/** What the client was told; `until` resolves with the first that fits, now or later. */
export class Told {
  #all = [];
  #waiting = new Set();

  hear(method, params) {
    this.#all.push({ method, params });
    for (const look of [...this.#waiting]) look();
  }

  clear() {
    this.#all = [];
  }

  until(fits) {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.#all.find(fits);
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  of(method) {
    return this.#all.filter((one) => one.method === method);
  }
}

// Stdout is for the report: what the SDKs have to say goes where errors go.
console.log = console.info = console.debug = console.error;

/** Plays the script that stands on stdin. `connect(connection, told)` opens one connection. */
export async function main(connect) {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const { connections } = JSON.parse(Buffer.concat(chunks).toString());
  for (const connection of connections) await playOne(connection, connect);
  process.exit(0);
}

async function playOne(connection, connect) {
  const told = new Told();
  let peer;
  const opened = await attempt(async () => {
    peer = await connect(connection, told);
    return { version: peer.version(), capabilities: peer.client.getServerCapabilities() };
  });
  for (const { target, steps } of connection.parts) {
    report(connection, target, 'connect', opened);
    if (!opened.ok) continue;
    for (const [feature, step] of Object.entries(steps)) {
      told.clear();
      report(connection, target, feature, await attempt(() => STEPS[feature](peer, step, told)));
    }
  }
  if (peer !== undefined) await attempt(() => peer.close());
}

function report(connection, target, feature, outcome) {
  const line = { connection: connection.id, target, feature, ...outcome };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function attempt(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('took too long')), STEP_MILLISECONDS);
  });
  try {
    return { ok: true, said: (await Promise.race([work(), late])) ?? null };
  } catch (error) {
    return { ok: false, said: `${error.name}: ${error.message}` };
  } finally {
    clearTimeout(timer);
  }
}

function expect(found, wanted) {
  const said = JSON.stringify(found);
  for (const text of [wanted].flat()) {
    // Compared as it stands within JSON, so that quotes and line ends fit too.
    if (!said.includes(JSON.stringify(text).slice(1, -1))) {
      throw new Error(`no ${JSON.stringify(text)} in ${said.slice(0, 600)}`);
    }
  }
}

async function everyPage(list, key) {
  const found = [];
  let cursor;
  do {
    const page = await list(cursor === undefined ? undefined : { cursor });
    found.push(...page[key]);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}

async function call(peer, { name, arguments: given = {}, expect: wanted = [] }, options) {
  const result = await peer.call({ name, arguments: given }, options);
  if (result.isError) throw new Error(JSON.stringify(result).slice(0, 600));
  expect(result, wanted);
  return result;
}

const calls = async (peer, step) => void (await call(peer, step));

const STEPS = {
  async tools(peer) {
    return await everyPage((params) => peer.client.listTools(params), 'tools');
  },

  call: calls,
  elicitation: calls,
  sampling: calls,
  roots: calls,

  async resources(peer, step) {
    const listed = await everyPage((params) => peer.client.listResources(params), 'resources');
    expect(listed, step.lists);
    expect(await peer.client.readResource({ uri: step.reads }), step.expect);
  },

  async links(peer, step) {
    const { content } = await call(peer, step.call);
    const link = content.filter((block) => block.type === 'resource_link').at(-1);
    expect(await peer.client.readResource({ uri: link.uri }), step.expect);
  },

  async templates(peer, step) {
    const list = (params) => peer.client.listResourceTemplates(params);
    expect(await everyPage(list, 'resourceTemplates'), step.lists);
    expect(await peer.client.readResource({ uri: step.reads }), step.expect);
  },

  async prompts(peer, step) {
    expect(await everyPage((params) => peer.client.listPrompts(params), 'prompts'), step.lists);
    expect(await peer.client.getPrompt(step.gets), step.expect);
  },

  async completion(peer, step) {
    for (const { expect: wanted, ...params } of step) {
      const { completion } = await peer.client.complete(params);
      if (JSON.stringify(completion.values) !== JSON.stringify(wanted)) {
        throw new Error(`${JSON.stringify(params)}: ${JSON.stringify(completion)}`);
      }
    }
  },

  async progress(peer, step) {
    const seen = [];
    await call(peer, step.call, { onprogress: ({ progress }) => seen.push(progress) });
    // The SDKs drop what is reported together with the answer: the last step may be missing.
    const fits = [step.expect, step.expect.slice(0, -1)].map((one) => JSON.stringify(one));
    if (!fits.includes(JSON.stringify(seen))) {
      throw new Error(`progress was ${JSON.stringify(seen)}`);
    }
  },

  async logging(peer, step, told) {
    const meta = peer.isModern() ? { [`${META}logLevel`]: step.level } : undefined;
    if (!peer.isModern()) await peer.client.setLoggingLevel(step.level);
    if (step.subscribe !== undefined) await peer.client.subscribeResource({ uri: step.subscribe });
    if (step.call !== undefined) await peer.call({ ...named(step.call), _meta: meta });
    const last = step.expect.at(-1);
    await told.until(({ method, params }) => method === HEARD.at(-1) && holds(params, last));
    const levels = told.of('notifications/message').map(({ params }) => params.level);
    if (step.levels !== undefined && JSON.stringify(levels) !== JSON.stringify(step.levels)) {
      throw new Error(`levels were ${JSON.stringify(levels)}`);
    }
    if (step.subscribe !== undefined) {
      await peer.client.unsubscribeResource({ uri: step.subscribe });
    }
  },

  async subscription(peer, step, told) {
    const { uri } = step;
    const ends = await watch(peer, uri);
    await start(peer, step);
    await told.until((one) => one.method === HEARD.at(-2) && one.params.uri === uri);
    if (step.stop !== undefined) await call(peer, step.stop);
    await ends();
  },

  async list_changed(peer, step, told) {
    const wanted = step.what;
    let listening;
    if (peer.isModern()) {
      listening = await peer.client.listen(
        Object.fromEntries(wanted.map((what) => [`${what}ListChanged`, true])),
      );
    }
    for (const one of step.calls) {
      told.clear();
      await call(peer, one);
      for (const what of wanted) await told.until(({ method }) => method === CHANGED[what]);
    }
    await listening?.close();
  },

  async cancellation(peer, step, told) {
    const stopping = new AbortController();
    const options = { signal: stopping.signal, onprogress: () => stopping.abort('enough') };
    const ended = await call(peer, step.call, options).then(() => 'answered', () => 'cancelled');
    if (ended !== 'cancelled') throw new Error(`the call was ${ended}`);
    await call(peer, step.check);
  },
};

const named = ({ name, arguments: given = {} }) => ({ name, arguments: given });
const holds = (value, text) => JSON.stringify(value).includes(text);

async function watch(peer, uri) {
  if (peer.isModern()) {
    const listening = await peer.client.listen({ resourceSubscriptions: [uri] });
    return () => listening.close();
  }
  await peer.client.subscribeResource({ uri });
  return () => peer.client.unsubscribeResource({ uri });
}

/** Makes what is watched change; a switch that another client had left on is used twice. */
async function start(peer, step) {
  const result = await call(peer, step.trigger);
  if (step.started !== undefined && !holds(result, step.started)) {
    await call(peer, { ...step.trigger, expect: step.started });
  }
}
