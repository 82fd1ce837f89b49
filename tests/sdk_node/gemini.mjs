// The Google Gen AI SDK, of the release that the command line names.

import { serve } from "./serve.mjs";

const { ApiError, createPartFromUri, createUserContent, GoogleGenAI } = await import(
  process.argv[2]
);

const sdk = ({ base, secret }) =>
  new GoogleGenAI({ apiKey: secret, httpOptions: { baseUrl: base } });

const question = ({ model, prompt, limit, headers }) => ({
  model,
  contents: prompt,
  config: { maxOutputTokens: limit, httpOptions: { headers } },
});

const cases = {
  async plain(call, say) {
    const answer = await sdk(call).models.generateContent(question(call));
    say(answer.text);
  },

  async stream(call, say) {
    for await (const chunk of await sdk(call).models.generateContentStream(question(call))) {
      say(chunk.text ?? "");
    }
  },

  async chat(call, say) {
    const chat = sdk(call).chats.create({ model: call.model, config: question(call).config });
    for (const message of call.messages) {
      say((await chat.sendMessage({ message })).text);
    }
    return chat.getHistory().map((turn) => turn.role);
  },

  async count(call) {
    const { model, contents } = question(call);
    return (await sdk(call).models.countTokens({ model, contents })).totalTokens;
  },

  async models(call) {
    const names = [];
    for await (const model of await sdk(call).models.list({ config: { pageSize: 5 } })) {
      names.push(model.name);
    }
    return names;
  },

  async files(call) {
    const { files, models } = sdk(call);
    const file = new Blob([Buffer.from(call.file, "base64")], { type: "text/plain" });
    const made = await files.upload({ file, config: { displayName: call.name } });
    const listed = [];
    for await (const each of await files.list()) listed.push(each.name);
    const contents = createUserContent([createPartFromUri(made.uri, made.mimeType), call.prompt]);
    await models.generateContent({ ...question(call), contents });
    return { made, listed };
  },

  async cache(call) {
    const { caches, models } = sdk(call);
    const config = { contents: call.prompt, ttl: call.ttl };
    const made = await caches.create({ model: call.model, config });
    const listed = [];
    for await (const each of await caches.list()) listed.push(each.name);
    const asked = question({ ...call, prompt: "Which word?" });
    asked.config.cachedContent = made.name;
    const { usageMetadata } = await models.generateContent(asked);
    return { name: made.name, listed, usage: usageMetadata };
  },

  async cached(call) {
    return sdk(call).caches.get({ name: call.name });
  },

  async batch(call) {
    const { batches } = sdk(call);
    const src = [{ contents: call.prompt, config: { maxOutputTokens: call.limit } }];
    const httpOptions = { headers: call.headers };
    const begun = await batches.create({ model: call.model, src, config: { httpOptions } });
    return batches.get({ name: begun.name });
  },

  async batched(call) {
    return sdk(call).batches.get({ name: call.name });
  },

  async video(call) {
    const { files, models, operations } = sdk(call);
    const { model, prompt, config } = call;
    let operation = await models.generateVideos({ model, source: { prompt }, config });
    operation = await operations.getVideosOperation({ operation });
    const [file] = operation.response.generatedVideos;
    await files.download({ file, downloadPath: call.path });
    return operation.name;
  },

  async file(call) {
    return sdk(call).files.get({ name: call.name });
  },
};

await serve(cases, { ApiError });
