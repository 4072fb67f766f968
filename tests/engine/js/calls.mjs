// LM Studio's own JavaScript SDK against a server: argument 1 is its address, argument 2 what to do.
// Prints one line of JSON; tests/engine/test_engine_sdk_js.py says what it has to hold.
import { Chat, LMStudioClient, rawFunctionTool } from "@lmstudio/sdk";

const [, , baseUrl, what] = process.argv;
const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const client = new LMStudioClient({ baseUrl, logger: quiet, verboseErrorMessages: false });

async function failure(promise) {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return error.message;
  }
}

const add = rawFunctionTool({
  name: "add",
  description: "Add two numbers.",
  parametersJsonSchema: {
    type: "object",
    properties: { a: { type: "number" }, b: { type: "number" } },
    required: ["a", "b"],
  },
  implementation: ({ a, b }) => a + b,
});

const doings = {
  async lists() {
    await client.llm.load("chatty", { verbose: false });
    return {
      downloaded: (await client.system.listDownloadedModels()).map(model => model.modelKey),
      llms: (await client.system.listDownloadedModels("llm")).map(model => model.modelKey),
      loaded: (await client.llm.listLoaded()).map(model => model.identifier),
      version: await client.system.getLMStudioVersion(),
    };
  },
  async loads() {
    const progress = [];
    const model = await client.llm.load("chatty", {
      identifier: "mine",
      config: { contextLength: 2048, flashAttention: true, maxParallelPredictions: 2, gpu: { ratio: 0.5 } },
      ttl: 60,
      verbose: false,
      onProgress: share => progress.push(share),
    });
    const info = await model.getModelInfo();
    const out = {
      progress,
      identifier: model.identifier,
      contextLength: await model.getContextLength(),
      config: await model.getLoadConfig(),
      ttlMs: info.ttlMs,
      state: await model.getInstanceProcessingState(),
      duplicate: await failure(client.llm.load("chatty", { identifier: "mine", verbose: false })),
    };
    await model.unload();
    return { ...out, after: await failure(model.tokenize("x")), left: (await client.llm.listLoaded()).length };
  },
  async cancelledLoad() {
    const stop = new AbortController();
    const load = client.llm.load("chatty", {
      verbose: false,
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    return { error: await failure(load), loaded: (await client.llm.listLoaded()).length };
  },
  async responds() {
    const model = await client.llm.model("chatty", { verbose: false });
    const progress = [];
    const fragments = [];
    let first = 0;
    let message;
    const prediction = model.respond("Hi", {
      maxTokens: 50,
      temperature: 0.3,
      topKSampling: 9,
      minPSampling: 0.1,
      repeatPenalty: 1.2,
      stopStrings: ["END"],
      contextOverflowPolicy: "rollingWindow",
      onPromptProcessingProgress: share => progress.push(share),
      onFirstToken: () => first++,
      onPredictionFragment: fragment => fragments.push(fragment),
      onMessage: made => (message = made.getText()),
    });
    let streamed = "";
    for await (const { content } of prediction) streamed += content;
    const result = await prediction.result();
    return {
      progress,
      first,
      message,
      streamed,
      content: result.content,
      reasoning: result.reasoningContent,
      answer: result.nonReasoningContent,
      stats: result.stats,
      model: result.modelInfo.identifier,
      predictionConfig: result.predictionConfig,
      kinds: fragments.map(fragment => fragment.reasoningType),
    };
  },
  async completes() {
    const model = await client.llm.model("chatty", { verbose: false });
    return { content: (await model.complete("Once upon")).content };
  },
  async structured() {
    const model = await client.llm.model("chatty", { verbose: false });
    const schema = { type: "object", properties: { a: { type: "integer" } } };
    const result = await model.respond("Hi", { structured: { type: "json", jsonSchema: schema } });
    return { parsed: JSON.parse(result.content) };
  },
  async acts() {
    const model = await client.llm.model("chatty", { verbose: false });
    const told = { names: [], pieces: "", messages: [], rounds: [], failures: [] };
    const result = await model.act("What is 123 + 3210?", [add], {
      onToolCallRequestNameReceived: (round, call, name) => told.names.push(name),
      onToolCallRequestArgumentFragmentGenerated: (round, call, content) => (told.pieces += content),
      onToolCallRequestFailure: (round, call, error) => told.failures.push(error.message),
      onMessage: message => told.messages.push(message.getRole()),
      onRoundStart: round => told.rounds.push(round),
      handleInvalidToolRequest: (error, request) => (request === undefined ? undefined : error.message),
    });
    return { ...told, count: result.rounds };
  },
  async counts() {
    const model = await client.llm.model("chatty", { verbose: false });
    const vectors = await client.embedding.load("vectors", { verbose: false });
    const one = await vectors.embed("hello world");
    const many = await vectors.embed(["hello world", "b"]);
    return {
      tokens: await model.tokenize("hello world"),
      lists: (await model.tokenize(["a", "b"])).length,
      count: await model.countTokens("hello world"),
      template: await model.applyPromptTemplate("Hi"),
      length: one.embedding.length,
      same: JSON.stringify(many[0].embedding) === JSON.stringify(one.embedding),
      embeddingTokens: await vectors.countTokens("hello world"),
    };
  },
  async cancels() {
    const model = await client.llm.model("chatty", { verbose: false });
    const prediction = model.respond("Go on");
    let seen = 0;
    for await (const { content } of prediction) {
      seen += content.length;
      prediction.cancel();
    }
    const result = await prediction.result();
    return { seen, reason: result.stats.stopReason };
  },
  async sees() {
    const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
    const image = await client.files.prepareImageBase64("pixel.png", pixel);
    const chat = Chat.empty();
    chat.append({ role: "user", content: "What is it?", images: [image] });
    const seeing = await client.llm.model("eyes", { verbose: false });
    const content = (await seeing.respond(chat)).content;
    const blind = await client.llm.load("chatty", { verbose: false });
    return { content, blind: await failure(blind.respond(chat).result()) };
  },
  async refused() {
    return { error: await failure(client.llm.listLoaded()) };
  },
  async misses() {
    return {
      load: await failure(client.llm.load("none", { verbose: false })),
      model: await failure(client.llm.model("none", { verbose: false })),
      any: await failure(client.llm.model()),
      unload: await failure(client.llm.unload("none")),
    };
  },
};

console.log(JSON.stringify(await doings[what]()));
process.exit(0);
