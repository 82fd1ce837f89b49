// The Anthropic SDK, of the release that the command line names.

import { serve } from "./serve.mjs";

const { default: Anthropic, toFile } = await import(process.argv[2]);

const sdk = ({ base, secret, retries, browser }) =>
  new Anthropic({
    baseURL: base,
    apiKey: secret,
    maxRetries: retries,
    dangerouslyAllowBrowser: browser,
  });

const options = ({ headers }) => ({ headers });

const question = (call) => ({
  model: call.model,
  max_tokens: call.limit,
  messages: [{ role: "user", content: call.prompt }],
});

const cases = {
  async plain(call, say) {
    const answer = await sdk(call).messages.create(question(call), options(call));
    say(answer.content[0].text);
  },

  async stream(call, say) {
    const stream = sdk(call).messages.stream(question(call), options(call));
    for await (const event of stream) {
      if (event.type === "content_block_delta") say(event.delta.text);
    }
  },

  async count(call) {
    const { model, messages } = question(call);
    const counted = await sdk(call).messages.countTokens({ model, messages }, options(call));
    return counted.input_tokens;
  },

  async files(call) {
    const { files, messages } = sdk(call).beta;
    const file = await toFile(Buffer.from(call.file, "base64"), call.name, { type: "text/plain" });
    const made = await files.upload({ file });
    const content = await (await files.download(made.id)).text();
    const listed = [];
    for await (const each of files.list({ limit: 1 })) listed.push(each.id);
    const source = { type: "file", file_id: made.id };
    const asked = [{ role: "user", content: [{ type: "document", source }] }];
    await messages.create({ ...question(call), messages: asked }, options(call));
    return { made: made.id, content, listed };
  },

  async content(call) {
    return (await sdk(call).beta.files.download(call.id)).text();
  },

  async models(call) {
    const names = [];
    for await (const model of sdk(call).models.list({ limit: 5 })) names.push(model.id);
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
} = Anthropic;

await serve(cases, {
  APIConnectionError,
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
});
