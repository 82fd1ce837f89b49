// Answers the tests' questions about one SDK: a line of JSON in, a line of JSON out.
//
// The SDK runs as it was installed. Its requests are counted where Node itself
// announces them, so nothing of the SDK is replaced, not even its `fetch`.

import { Console } from "node:console";
import { subscribe } from "node:diagnostics_channel";
import { createInterface } from "node:readline";

// What SDKs print must not get between the answers.
globalThis.console = new Console(process.stderr, process.stderr);

const sent = [];
subscribe("undici:request:create", ({ request }) => {
  // Names and values by turns.
  sent.push(request.headers.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()));
});
subscribe("http.client.request.start", ({ request }) => {
  sent.push(request.getHeaderNames());
});

/**
 * Serve until the input ends.
 *
 * @param cases what can be asked for, by name: async (call, say) => result. What a case
 *   says is part of the answer also when it throws: text that arrived before an error.
 * @param kinds the SDK's classes of errors, by the name that its users know.
 */
export async function serve(cases, kinds) {
  for await (const line of createInterface({ input: process.stdin })) {
    const call = JSON.parse(line);
    const said = [];
    const answer = {};
    sent.length = 0;
    try {
      answer.result = (await cases[call.case](call, (piece) => said.push(piece))) ?? null;
    } catch (error) {
      answer.error = told(error, kinds);
    }
    process.stdout.write(`${JSON.stringify({ ...answer, said: said.join(""), sent })}\n`);
  }
}

function told(error, kinds) {
  return {
    kinds: Object.keys(kinds).filter((name) => error instanceof kinds[name]),
    // Whoever wraps the last error of several attempts keeps it.
    status: error.status ?? error.statusCode ?? error.lastError?.statusCode ?? null,
    message: String(error.message),
    body: plain(error.error ?? error.body ?? error.responseBody ?? null),
    headers: Object.fromEntries(entries(error.headers ?? error.responseHeaders ?? {})),
    stack: String(error.stack),
  };
}

function entries(headers) {
  return typeof headers.entries === "function" ? headers.entries() : Object.entries(headers);
}

function plain(body) {
  if (typeof body !== "string") return body;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
