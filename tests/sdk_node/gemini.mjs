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

  async file(call) {
    return sdk(call).files.get({ name: call.name });
  },
};

await serve(cases, { ApiError });
