// The OpenAI SDK, of the release that the command line names.

import { serve } from "./serve.mjs";

const { default: OpenAI, toFile } = await import(process.argv[2]);

const sdk = ({ base, secret, retries }) =>
  new OpenAI({ baseURL: base, apiKey: secret, maxRetries: retries });

const options = ({ headers }) => ({ headers });

function chat(call, more) {
  return sdk(call).chat.completions.create(
    {
      model: call.model,
      messages: [{ role: "user", content: call.prompt }],
      max_completion_tokens: call.limit,
      ...more,
    },
    options(call),
  );
}

function respond(call, more) {
  return sdk(call).responses.create(
    { model: call.model, input: call.prompt, max_output_tokens: call.limit, ...more },
    options(call),
  );
}

const sound = async (call) => toFile(Buffer.from(call.file, "base64"), call.name);

const cases = {
  async plain(call, say) {
    const answer = await chat(call);
    say(answer.choices[0].message.content);
  },

  async stream(call, say) {
    for await (const chunk of await chat(call, { stream: true })) {
      say(chunk.choices[0].delta.content ?? "");
    }
  },

  async respond(call, say) {
    const answer = await respond(call);
    say(answer.output_text);
  },

  async respondStream(call, say) {
    for await (const event of await respond(call, { stream: true })) {
      if (event.type === "response.output_text.delta") say(event.delta);
    }
  },

  // The SDK's own loop: it calls the function and asks again.
  async tools(call, say) {
    const tool = {
      type: "function",
      function: {
        name: "weather",
        parameters: { type: "object", properties: { city: { type: "string" } } },
        parse: JSON.parse,
        function: ({ city }) => `sunny in ${city}`,
      },
    };
    const runner = sdk(call).chat.completions.runTools(
      {
        model: call.model,
        messages: [{ role: "user", content: call.prompt }],
        max_completion_tokens: call.limit,
        tools: [tool],
        stream: call.stream,
      },
      options(call),
    );
    say(await runner.finalContent());
    return runner.messages.map((message) => message.role);
  },

  async transcribe(call) {
    const answer = await sdk(call).audio.transcriptions.create(
      { model: call.model, file: await sound(call) },
      options(call),
    );
    return answer.text;
  },

  async speak(call) {
    const answer = await sdk(call).audio.speech.create(
      { model: call.model, voice: "alloy", input: call.prompt },
      options(call),
    );
    return Buffer.from(await answer.arrayBuffer()).toString("base64");
  },

  async files(call) {
    const { files } = sdk(call);
    const made = await files.create({ file: await sound(call), purpose: "user_data" });
    const content = await (await files.content(made.id)).text();
    const listed = [];
    for await (const file of files.list({ limit: 1 })) listed.push(file.id);
    return { made: made.id, content, listed };
  },

  async content(call) {
    return (await sdk(call).files.content(call.id)).text();
  },

  // In a conversation: what it holds after one answer, and how much of it was read.
  async converse(call, say) {
    const { conversations } = sdk(call);
    const made = await conversations.create({
      items: [{ type: "message", role: "user", content: call.before }],
    });
    const answer = await respond(call, { conversation: made.id });
    say(answer.output_text);
    const roles = [];
    for await (const item of conversations.items.list(made.id, { order: "asc", limit: 2 })) {
      roles.push(item.role);
    }
    return { made: made.id, roles, read: answer.usage.input_tokens };
  },

  async conversation(call) {
    return sdk(call).conversations.retrieve(call.id);
  },

  async goOn(call) {
    return respond(call, { conversation: call.id });
  },

  // A file that comes in two parts.
  async parts(call) {
    const { files, uploads } = sdk(call);
    const content = Buffer.from(call.file, "base64");
    const upload = await uploads.create({
      bytes: content.length,
      filename: call.name,
      mime_type: "text/plain",
      purpose: "user_data",
    });
    const part_ids = [];
    for (const piece of [content.subarray(0, 5), content.subarray(5)]) {
      const part = await uploads.parts.create(upload.id, { data: await toFile(piece, "part") });
      part_ids.push(part.id);
    }
    const { file } = await uploads.complete(upload.id, { part_ids });
    return { made: file.id, content: await (await files.content(file.id)).text() };
  },

  async models(call) {
    const names = [];
    for await (const model of sdk(call).models.list()) names.push(model.id);
    return names;
  },
};

const {
  APIConnectionError,
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} = OpenAI;

await serve(cases, {
  APIConnectionError,
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
});
