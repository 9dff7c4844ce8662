// Pictures and clips that are drawn for a text, as data URLs.
import { failure, headersOf } from "./completion.js";

const SECOND = 1000;

async function post(path, body, key, signal) {
  const headers = { ...headersOf(key), "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  if (!response.ok) throw await failure(response);
  return response.json();
}

export async function drawPicture(body, key, signal) {
  const answer = await post("v1/images/generations", body, key, signal);
  return `data:image/png;base64,${answer.data[0].b64_json}`;
}

export async function drawClip(body, key, signal, progress) {
  let video = await post("v1/videos", body, key, signal);
  const path = `v1/videos/${video.id}`;
  try {
    while (video.status === "queued" || video.status === "in_progress") {
      progress(video.status === "queued" ? "waiting" : `${video.progress} %`);
      await pause(SECOND / 2, signal);
      video = await get(path, key, signal).then((response) => response.json());
    }
    if (video.error) throw new Error(video.error.message);
    return await dataUrl(await get(`${path}/content`, key, signal).then((response) => response.blob()));
  } finally {
    // Fetched or given up: the server need not keep it.
    fetch(path, { method: "DELETE", headers: headersOf(key) }).catch(() => {});
  }
}

async function get(path, key, signal) {
  const response = await fetch(path, { headers: headersOf(key), signal });
  if (!response.ok) throw await failure(response);
  return response;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

function dataUrl(blob) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(blob);
  });
}
