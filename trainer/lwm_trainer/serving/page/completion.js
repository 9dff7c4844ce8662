// A streamed answer of /v1/chat/completions: calls the functions of `on` as events come.

export async function streamCompletion(body, key, signal, on) {
  const headers = { ...headersOf(key), "Content-Type": "application/json" };
  const response = await fetch("v1/chat/completions", { method: "POST", headers, body: JSON.stringify(body), signal });
  if (!response.ok) throw await failure(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (pending + value).split("\n\n");
    pending = events.pop();
    for (const event of events) handle(event, on);
  }
}

export async function readModel(key) {
  const response = await fetch("v1/models", { headers: headersOf(key) });
  if (!response.ok) throw await failure(response);
  return (await response.json()).data[0];
}

export const headersOf = (key) => (key ? { Authorization: `Bearer ${key}` } : {});

export async function failure(response) {
  let message = `status ${response.status}`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // a proxy answered
  }
  const error = new Error(message);
  error.status = response.status;
  return error;
}

function handle(event, on) {
  if (event.startsWith(":")) return on.progress(event.slice(1).trim());
  const data = event.replace(/^data: /, "");
  if (data === "[DONE]") return;
  const chunk = JSON.parse(data);
  if (chunk.error) throw new Error(chunk.error.message);
  if (chunk.usage) on.usage(chunk.usage);
  for (const choice of chunk.choices) {
    if (choice.delta.content) on.text(choice.delta.content);
    for (const image of choice.delta.images ?? []) on.image(image.image_url.url);
    if (choice.finish_reason) on.end(choice.finish_reason);
  }
}
