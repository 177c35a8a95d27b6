/** The ties of a customer to members of staff, and what either side may do to one. */

import { el, keep } from "./dom.js";
import { act, view } from "./state.js";
import { text } from "./texts.js";

/** Show every tie of the customer with its buttons. */
export function drawTies(parent, external_userid, ties, names) {
  const items = ties.length ? ties : [{ userid: "" }];
  keep(parent, items, (one) => `${external_userid} ${one.userid}`, (one) => {
    if (!one.userid) return el("p", { class: "empty" }, text("ties_empty"));
    return tie(one, names[one.userid] ?? one.userid, { userid: one.userid, external_userid });
  });
}

function tie(one, name, pair) {
  const badges = [
    one.half && el("span", { class: "badge warn" }, text("tie_half")),
    one.deleted_by_customer && el("span", { class: "badge warn" }, text("tie_lost")),
    one.state && el("span", { class: "badge" }, text("tie_state", one)),
    ...tagsOf(one).map((name) => el("span", { class: "badge tag" }, name)),
  ];
  const buttons = [
    one.half && button("confirm", () => act("/sim/half-confirmations", pair)),
    button("staff_deletes", () => act("/sim/deletions", { ...pair, by: "staff" })),
    !one.deleted_by_customer && button("customer_deletes", () => act("/sim/deletions", { ...pair, by: "customer" })),
  ];
  return el("details", { class: "tie", name: "tie" },
    el("summary", {}, el("strong", {}, name), ...badges),
    remarkForm(one, name, pair),
    tagsForm(one, name, pair),
    el("div", { class: "tie-actions" }, ...buttons));
}

function tagsOf(one) {
  return [...one.tag_ids.map((id) => view.corp.tags[id] ?? id), ...one.personal_tags];
}

function button(name, press) {
  return el("button", { type: "button", class: "quiet", on: { click: press } }, text(name));
}

function remarkForm(one, name, pair) {
  const save = (remark) => act("/sim/remarks", { ...pair, remark });
  return field("edit_remark", text("remark_of", { name }), one.remark ?? "", save);
}

function tagsForm(one, name, pair) {
  const before = tagsOf(one);
  return field("edit_tags", text("tags_of", { name }), before.join(" "), (words) => {
    const after = words.split(/\s+/).filter(Boolean);
    const add = after.filter((tag) => !before.includes(tag));
    const remove = before.filter((tag) => !after.includes(tag));
    return add.length + remove.length && act("/sim/tag-edits", { ...pair, add, remove });
  });
}

function field(label, explained, value, save) {
  const input = el("input", { value, "aria-label": explained, title: text("edit_hint"), maxlength: 200 });
  const submit = (event) => {
    event.preventDefault();
    save(input.value.trim());
  };
  const button = el("button", { class: "quiet" }, text("save"));
  return el("form", { class: "field", on: { submit } }, el("label", {}, text(label), input), button);
}
