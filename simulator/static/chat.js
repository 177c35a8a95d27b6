/** A member of staff's chat with the app: what it sent, what the member types, its menu. */

import { el, keep, link, unique } from "./dom.js";
import { chatRow, fill, withDays } from "./messages.js";
import { act, ask, at, now, remember, remembered, view } from "./state.js";
import { listed, text } from "./texts.js";

const SHOWN = 200;

/** Read the open member's chat again. */
export async function drawChat() {
  const userid = view.staff;
  if (!userid) return;
  const { messages } = await ask(`/sim/chats/${encodeURIComponent(userid)}`);
  if (userid !== view.staff) return;
  const member = view.corp.staff.find((one) => one.userid === userid);
  at("chat-title").textContent = view.corp.app;
  at("chat-owner").textContent = text("chat_owner", { name: member.name, departments: listed(member.departments) });
  const items = inOrder(messages.slice(-SHOWN), remembered.said[userid] ?? []);
  const draw = (item) => chatRow(item, { member: member.name, press });
  fill(at("chat"), userid, withDays(items), draw, text("chat_empty"));
  remembered.seen[userid] = member.last;
  remember();
}

/** What the member typed belongs after the last message it could have seen. */
function inOrder(messages, said) {
  return [...messages, ...said].sort((a, b) => (a.n ?? a.after + 0.5) - (b.n ?? b.after + 0.5));
}

function press(message, key, selected) {
  return act("/sim/card-clicks", { userid: view.staff, task_id: message.task_id, key, selected });
}

async function say(event) {
  event.preventDefault();
  const words = at("said").value.trim();
  if (!words) return;
  at("said").value = "";
  const line = { id: unique(), after: view.corp.n, at: now(), said: words };
  remembered.said[view.staff] = [...(remembered.said[view.staff] ?? []), line].slice(-SHOWN);
  await drawChat();
  at("chat").scrollTop = at("chat").scrollHeight;
  await act("/sim/messages", { userid: view.staff, text: words });
}

/** The app's menu as last created. */
export function drawMenu() {
  const leaf = (one) => {
    const on = { click: () => act("/sim/menu-clicks", { userid: view.staff, key: one.key ?? one.url }) };
    return one.type === "view" ? link(one.url, { on }, one.name) : el("button", { type: "button", on }, one.name);
  };
  at("menu").hidden = !view.corp.menu.length;
  keep(at("menu"), view.corp.menu, (one) => one.name, (one) => {
    if (!one.sub_button?.length) return leaf(one);
    return el("details", { name: "menu" }, el("summary", {}, one.name), el("div", {}, ...one.sub_button.map(leaf)));
  });
}

/** Menus close as menus do: by a choice, a click elsewhere or Escape. */
function closeMenus(event) {
  if (event.type === "keydown" && event.key !== "Escape") return;
  for (const menu of document.querySelectorAll(".corner[open], .menu details[open]")) {
    const heading = menu.querySelector("summary");
    if (event.type === "keydown") heading.focus();
    menu.open = event.type === "click" && heading.contains(event.target);
  }
}

/** Take what the member types. */
export function listen() {
  at("composer").addEventListener("submit", say);
  document.addEventListener("click", closeMenus);
  document.addEventListener("keydown", closeMenus);
}
