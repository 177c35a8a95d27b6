/** The markup WeCom's messages may carry, as nodes: links in text, the markdown subset, the divs of a textcard. */

import { el, link } from "./dom.js";

const LINKS = /<a\s+href=["']([^"']+)["'][^>]*>([^<]*)<\/a>|(https?:\/\/[^\s<>"'，。；、）)]+)/gi;
const BOLD = "\\*\\*(.+?)\\*\\*";
const CODE = "`([^`]+)`";
const LINK = "\\[([^\\]]+)\\]\\(([^)\\s]+)\\)";
const FONT = "<font color=[\"']?(info|comment|warning)[\"']?>(.*?)</font>";
const INLINE = new RegExp([BOLD, CODE, LINK, FONT].join("|"), "g");
const DIVS = /<div class=["'](gray|normal|highlight)["']>(.*?)<\/div>|<br\s*\/?>/gis;

/** Split `source` by `pattern`: plain stretches as they are, matches as `draw` makes them. */
function pieces(source, pattern, draw) {
  const nodes = [];
  let end = 0;
  for (const match of source.matchAll(pattern)) {
    nodes.push(source.slice(end, match.index), draw(match));
    end = match.index + match[0].length;
  }
  return [...nodes, source.slice(end)];
}

/** Text with `<a href>` and bare web addresses as links. */
export function plain(source) {
  return pieces(source, LINKS, ([, href, label, bare]) => link(bare ?? href, {}, bare ?? label));
}

/** What a textcard's description may hold. */
export function textcard(source) {
  return pieces(source, DIVS, ([, tone, inner]) => {
    return tone ? el("div", { class: `tone-${tone}` }, ...textcard(inner)) : el("br");
  });
}

function inline(source) {
  return pieces(source, INLINE, ([, bold, code, label, href, tone, inner]) => {
    if (bold) return el("strong", {}, ...inline(bold));
    if (code) return el("code", {}, code);
    if (label) return link(href, {}, label);
    return el("span", { class: `tone-${tone}` }, ...inline(inner));
  });
}

/** WeCom's markdown: headings, bold, links, code, quotes and three colours; everything else is plain text. */
export function markdown(source) {
  return source.split("\n").map((line) => {
    const heading = /^(#{1,6}) +(.*)$/.exec(line);
    if (heading) return el("p", { class: `heading-${heading[1].length}` }, ...inline(heading[2]));
    const quote = /^> ?(.*)$/.exec(line);
    if (quote) return el("blockquote", {}, ...inline(quote[1]));
    return el("p", {}, ...(line ? inline(line) : [el("br")]));
  });
}
