/** A customer's phone: whom they added, what they received, and the form that adds a friend. */

import { el, face, keep } from "./dom.js";
import { fill, receivedRow, withDays } from "./messages.js";
import { act, ask, at, now, view } from "./state.js";
import { drawTies } from "./ties.js";
import { listed, text } from "./texts.js";

const WELCOME_SECONDS = 20;
const adding = { external_userid: null, name: "" };

/** Read the open customer's window again, or show the form. */
export async function drawPhone() {
  const id = view.customer;
  const customer = id && (await ask(`/sim/customers/${encodeURIComponent(id)}`).catch(() => null));
  if (id !== view.customer) return;
  const asForm = !customer || adding.external_userid === id;
  for (const part of ["received", "ties-box", "another"]) at(part).hidden = asForm;
  at("add").hidden = !asForm;
  if (asForm) drawForm();
  else drawCustomer(id, customer);
}

function drawCustomer(id, { profile, follow_users: ties, received }) {
  const names = Object.fromEntries(view.corp.staff.map((one) => [one.userid, one.name]));
  const members = ties.map((one) => names[one.userid] ?? one.userid);
  head(profile.name, members.length ? text("adds", { names: listed(members) }) : text("adds_nobody"));
  const fresh = ties.some((one) => now() - one.createtime < WELCOME_SECONDS);
  const nothing = text(fresh ? "received_waiting" : "received_empty");
  fill(at("received"), id, withDays(received), (item) => receivedRow(item, names), nothing);
  drawTies(at("ties"), id, ties, names);
}

function drawForm() {
  const { external_userid, name } = adding;
  const title = external_userid ? text("phone_more", { name }) : text("phone_new");
  head(title, text("phone_new_note"), name || "＋");
  const { userid, name: field } = at("add").elements;
  keep(userid, view.corp.staff, (one) => one.userid, (one) => {
    return el("option", { value: one.userid }, `${one.name} · ${listed(one.departments)}`);
  });
  field.disabled = external_userid != null;
  if (external_userid) field.value = name;
}

function head(title, note, name = title) {
  at("phone-title").textContent = title;
  at("phone-note").textContent = note;
  keep(at("phone-face"), [name], String, (one) => face(one, "face-customer"));
}

async function add(event, open) {
  event.preventDefault();
  const form = at("add");
  const { userid, name, state, half } = form.elements;
  const button = form.querySelector(".big");
  const wanted = { userid: userid.value, state: state.value.trim(), half: half.checked };
  const { external_userid } = adding;
  const who = external_userid ? { external_userid } : name.value.trim() && { name: name.value.trim() };
  button.disabled = true;
  button.textContent = text("adding");
  const answer = await act("/sim/friend-adds", { ...wanted, ...who });
  button.disabled = false;
  button.textContent = text("add_button");
  if (!answer) return;
  form.reset();
  begin(null, "");
  await open(answer.external_userid);
}

function begin(external_userid, name) {
  Object.assign(adding, { external_userid, name });
  at("add").elements.name.value = "";
}

/** Take what the customer does; `open` shows a customer's window. */
export function listen(open) {
  at("add").addEventListener("submit", (event) => add(event, open));
  at("another").addEventListener("click", () => {
    begin(view.customer, at("phone-title").textContent);
    drawPhone();
  });
}
