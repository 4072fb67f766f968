// OpenAI's own JavaScript package, unchanged, against the server at process.argv[2]; prints what it got as JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "not-needed", maxRetries: 0 });
const messages = [{ role: "user", content: "hi" }];
const got = {};

got.models = (await client.models.list()).data.map((model) => model.id);

const whole = await client.chat.completions.create({ model: "scripted", messages });
got.whole = whole.choices[0].message.content;

got.stream = "";
const stream = await client.chat.completions.create({
  model: "scripted", messages, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  got.stream += chunk.choices[0]?.delta?.content ?? "";
  got.usage = chunk.usage ?? got.usage;
}

const ran = await client.chat.completions
  .runTools({
    model: "scripted",
    messages: [{ role: "user", content: "weather" }],
    tools: [{
      type: "function",
      function: {
        name: "weather",
        parameters: { type: "object", properties: { city: { type: "string" } } },
        parse: JSON.parse,
        function: ({ city }) => `It rains in ${city}.`,
      },
    }],
  })
  .finalContent();
got.tools = ran;

const parsed = await client.chat.completions.parse({
  model: "scripted",
  messages: [{ role: "user", content: "json" }],
  response_format: {
    type: "json_schema",
    json_schema: { name: "answer", schema: { type: "object", properties: { good: { type: "boolean" } } } },
  },
});
got.parsed = parsed.choices[0].message.parsed;

got.completion = (await client.completions.create({ model: "scripted", prompt: "hi" })).choices[0].text;
got.vector = (await client.embeddings.create({ model: "scripted-embedding", input: ["a", "b"] })).data.map(
  (each) => each.embedding.length,
);

const first = await client.responses.create({ model: "scripted", input: "hi" });
const second = await client.responses.create({ model: "scripted", input: "hi", previous_response_id: first.id });
got.responses = [first.output_text, second.output_text, second.previous_response_id === first.id];

try {
  await client.chat.completions.create({ model: "scripted", messages, response_format: { type: "json_object" } });
} catch (error) {
  got.refused = [error.status, error.constructor.name, String(error.message)];
}
console.log(JSON.stringify(got));
