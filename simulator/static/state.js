/** What the page knows, and its way to the control side. */

import { text } from "./texts.js";

const address = new URLSearchParams(location.search);

/** The open windows, and the company as last seen (`/sim/page`). */
export const view = { staff: address.get("staff"), customer: address.get("customer"), corp: null };

/** What the platform does not keep for us: the words a member typed, and how far each chat was read. */
export const remembered = JSON.parse(sessionStorage.getItem("simulator") ?? '{"seen":{},"said":{}}');

export const at = (id) => document.getElementById(id);

export function remember() {
  sessionStorage.setItem("simulator", JSON.stringify(remembered));
}

/** Seconds since 1970 by the simulator's clock, which may show another day than ours. */
export function now() {
  return Math.floor((Date.now() + view.corp.offset) / 1000);
}

class Refused extends Error {}

/** The answer of a control call: a GET, or with a body a POST. */
export async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, { ...options, cache: "no-store" });
  const data = await answer.json();
  if (!answer.ok) throw new Refused(data.error);
  return data;
}

/** Carry out what a person did and say how the callback fared. Answers null when it was refused. */
export async function act(path, body) {
  try {
    const answer = await ask(path, body);
    tell(answer.deliveries);
    return answer;
  } catch (error) {
    toast(text("refused", { reason: error.message }), true);
    return null;
  } finally {
    document.dispatchEvent(new Event("acted"));
  }
}

function tell(deliveries) {
  if (!deliveries?.length) return;
  const taken = deliveries.find((one) => one.status === 200);
  if (taken) toast(text("delivered", { ms: Math.round(taken.ms) }));
  else toast(text("undelivered", { tries: deliveries.length, status: deliveries.at(-1).status }), true);
}

function toast(words, bad = false) {
  const line = at("toast");
  line.textContent = words;
  line.className = bad ? "toast shown bad" : "toast shown";
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => line.classList.remove("shown"), bad ? 8000 : 2500);
}
