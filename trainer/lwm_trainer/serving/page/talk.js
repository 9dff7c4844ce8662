// The talk: what was said, the settings, and the answer that is coming.
import { readModel, streamCompletion } from "./completion.js";
import { drawClip, drawPicture } from "./drawing.js";

const element = (id) => document.getElementById(id);
const [talk, settings, compose, message, send] = ["talk", "settings", "compose", "message", "send"].map(element);
const KEY = "lwm-api-key";
let model = null;
let messages = [];
let media = null; // data URL of a picture or a clip
let running = null; // AbortController of the answer that is coming

settings.elements.key.value = sessionStorage.getItem(KEY) ?? "";

function add(role, text, shown = []) {
  element("welcome").hidden = true;
  const article = document.createElement("article");
  article.className = role;
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  article.append(paragraph, ...shown.map(showMedia));
  talk.append(article);
  article.scrollIntoView({ block: "end" });
  return article;
}

const isClip = (url) => url.startsWith("data:video/");

function showMedia(url) {
  const shown = document.createElement(isClip(url) ? "video" : "img");
  shown.src = url;
  if (isClip(url)) shown.controls = shown.muted = shown.loop = true;
  else shown.alt = "picture";
  return shown;
}

function note(article, text, wrong = false) {
  const footer = article.querySelector("footer") ?? article.appendChild(document.createElement("footer"));
  footer.textContent = text;
  article.classList.toggle("wrong", wrong);
}

function openSettings(open) {
  settings.hidden = !open;
  element("open-settings").setAttribute("aria-expanded", String(open));
}

async function connect() {
  const key = settings.elements.key.value;
  sessionStorage.setItem(KEY, key);
  try {
    model = await readModel(key);
    element("model").textContent = document.title = model.id;
    element("context").textContent = `context ${model.context_length.toLocaleString("en")}`;
    for (const name of ["attach", "may-draw", "makes", "of-clips"]) element(name).hidden = !model.modalities.includes("image");
    return true;
  } catch (error) {
    element("context").textContent = error.status === 401 ? "enter the API key" : error.message;
    if (error.status === 401) {
      openSettings(true);
      settings.elements.key.focus();
    }
    return false;
  }
}

function chosenNumbers(...names) {
  return Object.fromEntries(names.map((name) => [name, settings.elements[name].value]).filter(([, value]) => value !== "").map(([name, value]) => [name, Number(value)]));
}

function request() {
  const numbers = chosenNumbers("temperature", "top_p", "max_tokens", "seed");
  const body = { model: model.id, stream: true, stream_options: { include_usage: true }, ...numbers };
  if (settings.elements.draw.checked && !element("may-draw").hidden) body.modalities = ["text", "image"];
  const system = settings.elements.system.value;
  body.messages = [...(system ? [{ role: "system", content: system }] : []), ...messages];
  return body;
}

// A picture or a clip for a text. It is no part of the conversation.
async function draw(kind, prompt, reference) {
  const article = add("assistant", "");
  const key = settings.elements.key.value;
  const body = { model: model.id, prompt, ...chosenNumbers("seed") };
  const begun = performance.now();
  begin(article);
  try {
    let url;
    if (kind === "picture") {
      url = await drawPicture(body, key, running.signal);
    } else {
      if (settings.elements.seconds.value) body.seconds = settings.elements.seconds.value;
      if (reference) body.input_reference = { [isClip(reference) ? "video_url" : "image_url"]: reference };
      url = await drawClip(body, key, running.signal, (words) => note(article, words));
    }
    article.querySelector("p").remove();
    article.insertBefore(showMedia(url), article.querySelector("footer"));
    note(article, `${kind} in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    article.scrollIntoView({ block: "end" });
  } catch (error) {
    const stopped = error.name === "AbortError";
    note(article, stopped ? "stopped" : error.message, !stopped);
    message.value ||= prompt;
  } finally {
    end();
  }
}

function begin(article) {
  note(article, "waiting");
  running = new AbortController();
  send.textContent = "Stop";
}

function end() {
  running = null;
  send.textContent = "Send";
}

async function answer() {
  const article = add("assistant", "");
  const paragraph = article.querySelector("p");
  const begun = performance.now();
  let text = "", first = 0, usage = null, reason = "", images = 0;
  begin(article);
  // Whoever has scrolled back to read is left there.
  const change = (update) => {
    const follow = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 80;
    update();
    if (follow) article.scrollIntoView({ block: "end" });
  };
  try {
    await streamCompletion(request(), settings.elements.key.value, running.signal, {
      text(part) {
        first ||= performance.now();
        text += part;
        change(() => (paragraph.textContent = text));
      },
      image(url) {
        first ||= performance.now();
        images += 1;
        change(() => article.insertBefore(showMedia(url), article.querySelector("footer")));
      },
      progress: (words) => note(article, words),
      usage: (counts) => (usage = counts),
      end: (why) => (reason = why),
    });
    if (!usage) throw new Error("the connection ended before the answer did");
    change(() => note(article, figures(usage, begun, first, reason)));
  } catch (error) {
    const stopped = error.name === "AbortError";
    note(article, stopped ? "stopped" : error.message, !stopped);
    if (!text && !images) {
      // Nothing was answered: the message may be sent again.
      const last = messages.pop();
      message.value ||= typeof last.content === "string" ? last.content : last.content.at(-1).text;
      return;
    }
  } finally {
    end();
  }
  messages.push({ role: "assistant", content: text });
}

function figures(usage, begun, first, reason) {
  const end = performance.now();
  const seconds = (milliseconds) => (milliseconds / 1000).toFixed(1);
  const cached = usage.prompt_tokens_details.cached_tokens;
  const parts = [
    `${usage.prompt_tokens} tokens of prompt, ${cached} of them kept`,
    `${usage.completion_tokens} of answer in ${seconds(end - begun)} s`,
  ];
  if (first && usage.completion_tokens > 1) {
    parts.push(`first after ${seconds(first - begun)} s`, `then ${(((usage.completion_tokens - 1) * 1000) / (end - first)).toFixed(1)} a second`);
  }
  return parts.join(" · ") + (reason === "length" ? " · ended by the limit of tokens" : "");
}

function choose(url) {
  media = url;
  const chosen = element("chosen");
  chosen.hidden = url === null;
  chosen.replaceChildren();
  if (url === null) return;
  const remove = document.createElement("button");
  remove.type = "button";
  remove.textContent = "Remove";
  remove.onclick = () => choose(null);
  chosen.append(showMedia(url), remove);
}

function content(text) {
  if (media === null) return text;
  const kind = isClip(media) ? "video_url" : "image_url";
  return [{ type: kind, [kind]: { url: media } }, { type: "text", text }];
}

compose.onsubmit = async (event) => {
  event.preventDefault();
  if (running) return running.abort();
  const text = message.value.trim();
  if ((!text && !media) || !(model || (await connect()))) return;
  const kind = element("makes").hidden ? "answer" : element("makes").value;
  if (kind === "picture" && media) return note(add("assistant", ""), "A picture is drawn for a text only. A clip can begin with this one.", true);
  const reference = media;
  if (kind === "answer") messages.push({ role: "user", content: content(text) });
  add("user", text, media ? [media] : []);
  message.value = "";
  message.rows = 1;
  choose(null);
  await (kind === "answer" ? answer() : draw(kind, text, reference));
};

message.oninput = () => (message.rows = Math.min(8, message.value.split("\n").length));
message.onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || running) return;
  event.preventDefault();
  compose.requestSubmit();
};
element("new").onclick = () => {
  running?.abort();
  messages = [];
  talk.querySelectorAll("article").forEach((article) => article.remove());
  element("welcome").hidden = false;
  message.focus();
};
element("open-settings").onclick = () => openSettings(settings.hidden);
settings.onsubmit = (event) => event.preventDefault();
settings.elements.key.onchange = connect;
element("file").onchange = (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  const reader = new FileReader();
  reader.onload = () => choose(reader.result);
  reader.readAsDataURL(file);
};
connect();
