// The Deepgram SDK.

import { DeepgramClient, DeepgramError } from "@deepgram/sdk";

import { serve } from "./serve.mjs";

// Its environment names four addresses; those of sockets and agents are not asked for here.
const sdk = ({ base, secret }) =>
  new DeepgramClient({
    apiKey: secret,
    environment: { base, production: base, agent: base, agentRest: base },
  });

const options = ({ headers, retries }) => ({ headers, maxRetries: retries });

const cases = {
  async transcribe(call) {
    const recording = Buffer.from(call.file, "base64");
    const { media } = sdk(call).listen.v1;
    const asked = { model: call.model, smart_format: true };
    const answer = await media.transcribeFile(recording, asked, options(call));
    return answer.results.channels[0].alternatives[0].transcript;
  },

  async speak(call) {
    const { audio } = sdk(call).speak.v1;
    const answer = await audio.generate({ text: call.prompt, model: call.model }, options(call));
    return Buffer.from(await answer.arrayBuffer()).toString("base64");
  },

  async read(call) {
    const { text } = sdk(call).read.v1;
    const asked = { body: { text: call.prompt }, summarize: true, language: "en" };
    const answer = await text.analyze(asked, options(call));
    return answer.results.summary.text;
  },

  async projects(call) {
    return sdk(call).manage.v1.projects.list(options(call));
  },
};

await serve(cases, { DeepgramError });
