// The Mistral SDK.

import { Mistral } from "@mistralai/mistralai";
import { MistralError, SDKError } from "@mistralai/mistralai/models/errors";

import { serve } from "./serve.mjs";

const sdk = ({ base, secret }) => new Mistral({ apiKey: secret, serverURL: base });

const question = (call) => ({
  model: call.model,
  messages: [{ role: "user", content: call.prompt }],
  maxTokens: call.limit,
});

const options = ({ headers }) => ({ headers });

const cases = {
  async plain(call, say) {
    const answer = await sdk(call).chat.complete(question(call), options(call));
    say(answer.choices[0].message.content);
  },

  async stream(call, say) {
    for await (const event of await sdk(call).chat.stream(question(call), options(call))) {
      say(event.data.choices[0].delta.content ?? "");
    }
  },

  async transcribe(call) {
    const file = { fileName: call.name, content: Buffer.from(call.file, "base64") };
    const { transcriptions } = sdk(call).audio;
    return (await transcriptions.complete({ model: call.model, file }, options(call))).text;
  },

  async models(call) {
    return (await sdk(call).models.list()).data.map((model) => model.id);
  },
};

await serve(cases, { MistralError, SDKError });
