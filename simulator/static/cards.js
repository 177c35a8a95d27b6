/** Template cards as a member of staff sees them (wecom-api §7.2, §7.3): five types built from the same blocks. */

import { el, link, unique } from "./dom.js";
import { text } from "./texts.js";

/**
 * A card. `press(key, selected)` plays a press of a button, the submit button or a line of the corner menu;
 * `replaced` is the grey text that took the buttons' place, if any.
 */
export function templateCard(card, replaced, press) {
  const node = el("article", { class: `card card-${card.card_type}` });
  const send = (key) => press(key, selected(node));
  node.append(
    ...[corner(card.action_menu, send), source(card.source), picture(card.card_image), ...titles(card)],
    ...[emphasis(card.emphasis_content), quote(card.quote_area), imageText(card.image_text_area)],
    ...[subTitle(card.sub_title_text), facts(card.horizontal_content_list), lines(card.vertical_content_list)],
    ...questions(card, replaced != null),
    ...[actions(card, replaced ?? card.replace_text, send), jumps(card)],
  );
  return node;
}

/** {question_key: [option_id]} of every question on the card. */
function selected(node) {
  const answers = {};
  for (const input of node.querySelectorAll("[data-question]")) {
    const chosen = input.type === "checkbox" || input.type === "radio" ? input.checked : input.value !== "";
    answers[input.dataset.question] ??= [];
    if (chosen) answers[input.dataset.question].push(input.value);
  }
  return answers;
}

function corner(menu, send) {
  if (!menu) return "";
  const items = menu.action_list.map((one) => {
    return el("button", { type: "button", on: { click: () => send(one.key) } }, one.text);
  });
  const summary = el("summary", { "aria-label": menu.desc || text("more") }, "⋯");
  return el("details", { class: "corner" }, summary, el("div", {}, ...items));
}

function source(one) {
  return one?.desc ? el("p", { class: `card-source colour-${one.desc_color ?? 0}` }, one.desc) : "";
}

function picture(image) {
  return image ? el("div", { class: "picture" }, text("image")) : "";
}

function titles({ main_title: title }) {
  if (!title) return [];
  return [
    title.title ? el("h3", {}, title.title) : "",
    title.desc ? el("p", { class: "note" }, title.desc) : "",
  ];
}

function emphasis(one) {
  if (!one) return "";
  return el("p", { class: "emphasis" }, el("strong", {}, one.title ?? ""), el("span", { class: "note" }, one.desc ?? ""));
}

function quote(one) {
  if (!one) return "";
  return el("blockquote", {}, link(one.url, {}, one.title ?? ""), el("p", {}, one.quote_text ?? ""));
}

function imageText(one) {
  if (!one) return "";
  const words = el("div", {}, link(one.url, {}, one.title ?? ""), el("p", { class: "note" }, one.desc ?? ""));
  return el("div", { class: "image-text" }, el("div", { class: "picture" }, text("image")), words);
}

function subTitle(words) {
  return words ? el("p", { class: "sub-title" }, words) : "";
}

function facts(list) {
  if (!list?.length) return "";
  const rows = list.map((one) => {
    const value = one.type === 1 ? link(one.url, {}, one.value ?? one.url) : el("span", {}, one.value ?? one.userid ?? "");
    return el("div", {}, el("dt", {}, one.keyname), el("dd", {}, value));
  });
  return el("dl", {}, ...rows);
}

function lines(list) {
  if (!list?.length) return "";
  const rows = list.map((one) => {
    return el("li", {}, el("strong", {}, one.title), el("span", { class: "note" }, one.desc ?? ""));
  });
  return el("ul", { class: "card-lines" }, ...rows);
}

function questions(card, locked) {
  const selectors = [card.button_selection, ...(card.select_list ?? [])].filter(Boolean);
  return [...selectors.map((one) => selector(one, locked)), card.checkbox ? checks(card.checkbox, locked) : ""];
}

function selector(question, locked) {
  const chosen = question.option_list.find((one) => one.id === question.selected_id) ?? question.option_list[0];
  const options = question.option_list.map((one) => el("option", { value: one.id, selected: one === chosen }, one.text));
  const attributes = { disabled: locked || question.disable === true, data: { question: question.question_key } };
  const title = el("span", {}, question.title || text("choose"));
  return el("label", { class: "question" }, title, el("select", attributes, ...options));
}

function checks(question, locked) {
  const attributes = {
    type: question.mode === 1 ? "checkbox" : "radio",
    name: unique(),
    disabled: locked || question.disable === true,
    data: { question: question.question_key },
  };
  const options = question.option_list.map((one) => {
    const box = el("input", { ...attributes, value: one.id, checked: one.is_checked === true });
    return el("label", { class: "check" }, box, one.text);
  });
  return el("fieldset", { class: "question" }, el("legend", { class: "unseen" }, text("choose")), ...options);
}

function actions(card, replaced, send) {
  const buttons = [...(card.button_list ?? []), ...(card.submit_button ? [{ ...card.submit_button, style: 1 }] : [])];
  if (replaced) buttons.splice(0, buttons.length, { replaced });
  if (!buttons.length) return "";
  return el("div", { class: "actions" }, ...buttons.map((one) => button(one, send)));
}

function button(one, send) {
  if (one.replaced) return el("button", { type: "button", class: "replaced", disabled: true }, one.replaced);
  const style = { class: `style-${[1, 2, 3, 4].includes(one.style) ? one.style : 1}` };
  if (one.type === 1) return link(one.url, style, one.text);
  return el("button", { ...style, type: "button", on: { click: () => send(one.key) } }, one.text);
}

function jumps({ jump_list: list = [], card_action: action }) {
  const rows = list.map((one) => link(one.url, {}, one.title));
  if (action?.type === 1) rows.push(link(action.url, {}, text("details")));
  return rows.length ? el("nav", { class: "jumps", "aria-label": text("details") }, ...rows) : "";
}
