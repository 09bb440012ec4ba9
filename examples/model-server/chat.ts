/** The part of an app that talks to a model. It shows words as they come, and asks again if the stream ends too early. */

const ATTEMPTS_MAX = 3;

/** Milliseconds without an event after which the stream counts as lost. */
const SILENCE_MS_MAX = 500;

/** Returns the whole answer. `show` gets the text so far with each event; it begins again with "" if the model is asked again. */
export async function chat(url: string, prompt: string, show: (text: string) => void = () => {}): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(url, prompt, show);
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

async function ask(url: string, prompt: string, show: (text: string) => void): Promise<string> {
  const silence = new AbortController();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model: "mock", stream: true, messages: [{ role: "user", content: prompt }] }),
    signal: silence.signal,
  });
  if (!response.ok || response.body === null) throw new Error(`the model answered ${response.status}`);
  let text = "";
  show(text);
  for await (const data of dataOf(response.body, silence)) {
    // Without this event the answer is not whole, however well it reads.
    if (data === "[DONE]") return text;
    const { content } = JSON.parse(data).choices[0].delta;
    if (content === undefined) continue;
    text += content;
    show(text);
  }
  throw new Error("the stream ended before [DONE]");
}

/** Yields the data of each event. Throws if the connection breaks, or if nothing comes for too long. */
async function* dataOf(body: ReadableStream<Uint8Array>, silence: AbortController): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let received = "";
  let timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
  try {
    for await (const bytes of body) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
      received += decoder.decode(bytes, { stream: true });
      const events = received.split("\n\n");
      received = events.pop() ?? "";
      for (const event of events) if (event.startsWith("data: ")) yield event.slice("data: ".length);
    }
  } finally {
    clearTimeout(timer);
  }
}
