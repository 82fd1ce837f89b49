// The ElevenLabs SDK.

import { ElevenLabsClient, ElevenLabsError } from "@elevenlabs/elevenlabs-js";

import { serve } from "./serve.mjs";

const sdk = ({ base, secret }) => new ElevenLabsClient({ baseUrl: base, apiKey: secret });

const options = ({ headers, retries }) => ({ headers, maxRetries: retries });

async function read(stream, say) {
  let size = 0;
  for await (const piece of stream) {
    size += piece.length;
    say(".");
  }
  return size;
}

const cases = {
  async plain(call, say) {
    const { textToSpeech } = sdk(call);
    const asked = { text: call.prompt, modelId: call.model };
    return read(await textToSpeech.convert(call.voice, asked, options(call)), say);
  },

  async stream(call, say) {
    const { textToSpeech } = sdk(call);
    const asked = { text: call.prompt, modelId: call.model };
    return read(await textToSpeech.stream(call.voice, asked, options(call)), say);
  },

  // Documents of sound and times, a line each.
  async timestamps(call, say) {
    const asked = { text: call.prompt, modelId: call.model };
    const { textToSpeech } = sdk(call);
    const stream = await textToSpeech.streamWithTimestamps(call.voice, asked, options(call));
    for await (const piece of stream) say(piece.alignment?.characters.join("") ?? "");
  },

  // A voice that is cloned, spoken with, listed and deleted.
  async clone(call, say) {
    const { voices, textToSpeech } = sdk(call);
    const file = new File([Buffer.from(call.file, "base64")], call.name);
    const { voiceId } = await voices.ivc.create({ name: "Mine", files: [file] }, options(call));
    const asked = { text: call.prompt, modelId: call.model };
    await read(await textToSpeech.convert(voiceId, asked, options(call)), say);
    const found = await voices.search({ search: "mine" }, options(call));
    await voices.delete(voiceId, options(call));
    return { voiceId, found: found.voices.map((voice) => voice.voiceId) };
  },

  async voice(call) {
    return (await sdk(call).voices.get(call.voice, options(call))).name;
  },

  async transcribe(call) {
    const file = new File([Buffer.from(call.file, "base64")], call.name);
    const asked = { modelId: call.model, file };
    return (await sdk(call).speechToText.convert(asked, options(call))).text;
  },
};

await serve(cases, { ElevenLabsError });
