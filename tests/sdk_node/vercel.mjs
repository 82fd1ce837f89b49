// The AI SDK with the provider that the command line names.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, RetryError, streamText } from "ai";

import { serve } from "./serve.mjs";

const PROVIDERS = {
  openai: (settings) => createOpenAI(settings),
  chat: (settings) => createOpenAI(settings).chat,
  anthropic: (settings) => createAnthropic(settings),
  google: (settings) => createGoogle(settings),
  compatible: (settings) => createOpenAICompatible({ name: "compatible", ...settings }),
};

const provider = PROVIDERS[process.argv[2]];

const question = (call) => ({
  model: provider({ baseURL: call.base, apiKey: call.secret })(call.model),
  prompt: call.prompt,
  maxOutputTokens: call.limit,
  maxRetries: call.retries,
  headers: call.headers,
});

const cases = {
  async plain(call, say) {
    const answer = await generateText(question(call));
    say(answer.text);
  },

  async stream(call, say) {
    // The connection also ends early, but what it said before is the reason.
    let failed;
    const onError = ({ error }) => {
      failed ??= error;
    };
    for await (const piece of streamText({ ...question(call), onError }).textStream) say(piece);
    if (failed) throw failed;
  },
};

// Its providers throw these of their own copy of the class, which `isInstance` knows.
const known = (kind) => ({ [Symbol.hasInstance]: (error) => kind.isInstance(error) });

await serve(cases, { APICallError: known(APICallError), RetryError: known(RetryError) });
