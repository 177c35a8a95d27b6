/** Messages as bubbles: what the app sent a member of staff, and what a customer received. */

import { templateCard } from "./cards.js";
import { appFace, el, face, keep, link } from "./dom.js";
import { markdown, plain, textcard } from "./markup.js";
import { day, text, time } from "./texts.js";

const KINDS = {
  text: ({ content }) => bubble("text", ...plain(content)),
  markdown: ({ content }) => bubble("markdown", ...markdown(content)),
  textcard: (card) =>
    bubble("panel-card", el("h3", {}, card.title), el("div", {}, ...textcard(card.description ?? "")),
      el("p", { class: "jumps" }, link(card.url, {}, card.btntxt || text("details")))),
  news: ({ articles }) => bubble("panel-card", ...articles.map(article)),
  mpnews: ({ articles }) => bubble("panel-card", ...articles.map(longArticle)),
  link: (one) => bubble("panel-card", article({ ...one, description: one.desc })),
  image: (one) => placeholder("image", one.pic_url || one.media_id),
  voice: (one) => placeholder("voice", one.media_id),
  video: (one) => placeholder("video", one.title || one.media_id),
  file: (one) => placeholder("file", one.media_id),
  miniprogram: (one) => placeholder("miniprogram", one.title),
  miniprogram_notice: (one) => placeholder("miniprogram", one.title),
};

function bubble(kind, ...children) {
  return el("div", { class: `bubble ${kind}` }, ...children);
}

function article(one) {
  const title = link(one.url, { class: "title" }, one.title);
  const words = el("div", {}, title, el("p", { class: "note" }, one.description ?? ""));
  return el("article", { class: "article" }, words, one.picurl ? el("div", { class: "picture" }, text("image")) : "");
}

function longArticle({ title, digest, content_source_url: url }) {
  return article({ title, description: digest, url });
}

function placeholder(kind, what) {
  return bubble("placeholder", el("span", { class: "sign" }, text(kind)), el("span", { class: "note" }, what ?? ""));
}

function shown(message, press) {
  const { msgtype, body } = message;
  if (message.recalled) return bubble("placeholder", text("recalled"));
  if (msgtype === "template_card") {
    const { template_card: card = body, button } = message.updated ?? {};
    return templateCard(card, button?.replace_name, press);
  }
  return KINDS[msgtype]?.(body) ?? bubble("placeholder", text("unknown_message", { msgtype }));
}

function row(side, picture, at, content, note = "") {
  const stamp = el("p", { class: "stamp" }, note ? el("span", { class: "source" }, note) : "", time(at));
  return el("li", { class: `row ${side}` }, picture, el("div", {}, content, stamp));
}

/** One line of a member's chat: a day's heading, what the member typed, or what the app sent. */
export function chatRow(item, { member, press }) {
  if (item.day != null) return el("li", { class: "day" }, day(item.day));
  if (item.said != null) return row("own", face(member), item.at, bubble("text", item.said));
  return row("app", appFace(), item.at, shown(item, (key, selected) => press(item, key, selected)));
}

/** One line of a customer's window; `names` are the members' names by userid. */
export function receivedRow(item, names) {
  if (item.day != null) return el("li", { class: "day" }, day(item.day));
  return row("staff", face(names[item.userid] ?? item.userid), item.at, shown(item), text(`source_${item.source}`));
}

/** The items with a heading before the first of each day. */
export function withDays(items) {
  let last = "";
  return items.flatMap((item) => {
    const fresh = day(item.at) !== last;
    last = day(item.at);
    return fresh ? [{ day: item.at }, item] : [item];
  });
}

/** Fill a window's log; it stays scrolled to its end unless the reader has scrolled up. */
export function fill(log, owner, items, draw, nothing) {
  const atEnd = log.dataset.owner !== owner || log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const key = (item) => `${owner} ${item.id ?? item.n ?? `day ${item.day}`}`;
  if (items.length) keep(log, items, key, draw);
  else keep(log, [nothing], String, () => el("li", { class: "empty" }, nothing));
  log.dataset.owner = owner;
  if (atEnd) log.scrollTop = log.scrollHeight;
}
