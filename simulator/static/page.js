/** The page of the simulated WeCom: a long poll says that something changed, then the open windows are read again. */

import { drawChat, drawMenu, listen as listenToChat } from "./chat.js";
import { el, face, keep } from "./dom.js";
import { drawPhone, listen as listenToPhone } from "./phone.js";
import { ask, at, now, remembered, view } from "./state.js";
import { day, english, fillIn, listed, seconds, text } from "./texts.js";

const LONGEST_POLL_S = 5;
const BETWEEN_POLLS_MS = 200;
const RECONNECT_MS = 2000;

async function follow() {
  for (let after = -1; ; ) {
    try {
      await show(await ask(`/sim/page?after=${after}&wait=${LONGEST_POLL_S}`));
      after = view.corp.n;
      at("offline").hidden = true;
      await pause(BETWEEN_POLLS_MS);
    } catch (error) {
      console.warn(error);
      after = -1;
      at("offline").hidden = false;
      await pause(RECONNECT_MS);
    }
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function look() {
  await show(await ask("/sim/page"));
}

async function show(corp) {
  if (corp.n < view.corp?.n) Object.assign(remembered, { seen: {}, said: {} }); // the company was reset
  view.corp = { ...corp, offset: corp.at * 1000 - Date.now() };
  if (!corp.staff.some((one) => one.userid === view.staff)) view.staff = corp.staff[0]?.userid ?? null;
  drawClock();
  drawMenu();
  drawCalls();
  await Promise.all([drawChat(), drawPhone()]);
  drawPeople();
}

/** Open a window: `what` is staff or customer; without an id the customer's side shows the form. */
async function open(what, id, tab) {
  view[what] = id;
  history.replaceState(null, "", addressOf({ lang: english ? "en" : "" }));
  at("language").href = addressOf({ lang: english ? "" : "en" });
  showTab(tab);
  await Promise.all([drawChat(), drawPhone()]);
  drawPeople();
}

function addressOf({ lang }) {
  const wanted = Object.entries({ lang, staff: view.staff, customer: view.customer }).filter(([, value]) => value);
  return `?${new URLSearchParams(wanted)}`;
}

function showTab(tab) {
  document.body.dataset.tab = tab;
  for (const button of document.querySelectorAll(".tabs button")) {
    button.setAttribute("aria-current", button.dataset.tab === tab);
  }
  for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
}

function drawPeople() {
  const { staff, customers, total } = view.corp;
  const members = staff.map((one) => {
    const current = one.userid === view.staff;
    return { ...one, current, unread: !current && one.last > (remembered.seen[one.userid] ?? 0) };
  });
  keep(at("staff"), members, (one) => one.userid, (one) => {
    return person(one, listed(one.departments), () => open("staff", one.userid, "chat"));
  });
  const newest = customers.map((one) => ({ ...one, current: one.external_userid === view.customer }));
  keep(at("customers"), newest, (one) => one.external_userid, (one) => {
    const note = one.members.length ? text("adds", { names: listed(one.members) }) : text("adds_nobody");
    return person(one, note, () => open("customer", one.external_userid, "phone"));
  });
  at("no-customers").hidden = total > 0;
  at("customers-title").textContent =
    total > customers.length ? text("customers_more", { shown: customers.length, total }) : text("customers");
}

function person({ name, current, unread }, note, choose) {
  const words = el("span", { class: "words" }, el("span", { class: "name" }, name), el("span", { class: "note" }, note));
  const mark = unread && el("span", { class: "unread", role: "img", "aria-label": text("unread") });
  const attributes = { type: "button", "aria-current": current && "true", on: { click: choose } };
  return el("li", {}, el("button", attributes, face(name), words, mark));
}

function drawClock() {
  if (view.corp) at("clock").replaceChildren(el("span", { class: "date" }, `${day(now())} `), seconds(now()));
}

function drawCalls() {
  const { calls } = view.corp;
  keep(at("calls"), calls, (one) => one.n, callRow);
  at("no-calls").hidden = calls.length > 0;
  at("latest").replaceChildren(...(calls.length ? callCells(calls[0]) : []));
}

function callRow(call) {
  return el("li", {}, ...callCells(call));
}

function callCells({ at: when, method, path, userid, errcode }) {
  const tone = errcode === 0 ? "good" : "bad";
  return [
    el("time", {}, seconds(when)),
    el("span", { class: "path" }, `${method} ${path}`),
    el("span", { class: "who" }, userid ?? ""),
    el("span", { class: `errcode ${tone}` }, errcode == null ? text("call_cut") : `errcode ${errcode}`),
  ];
}

function toggleCalls() {
  const expanded = at("traffic-toggle").getAttribute("aria-expanded") !== "true";
  at("traffic-toggle").setAttribute("aria-expanded", expanded);
}

fillIn(document);
at("language").textContent = english ? "中文" : "English";
at("language").lang = english ? "zh-CN" : "en";
at("language").href = addressOf({ lang: english ? "" : "en" });
at("traffic-toggle").addEventListener("click", toggleCalls);
at("new-customer").addEventListener("click", () => open("customer", null, "phone"));
for (const button of document.querySelectorAll(".tabs button")) {
  button.addEventListener("click", () => showTab(button.dataset.tab));
}
document.addEventListener("acted", () => look().catch(console.warn)); // the poll says when the simulator is gone
setInterval(drawClock, 1000);
listenToChat();
listenToPhone((id) => open("customer", id, "phone"));
showTab("people");
follow();
