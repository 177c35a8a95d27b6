/** Building elements. Names and messages are hostile input: every string becomes a text node, never markup. */

/** An element; `options` are attributes, with `class`, `data` (a mapping) and `on` (event handlers) besides. */
export function el(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  const { data = {}, on = {}, ...attributes } = options;
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  Object.assign(node.dataset, data);
  for (const [name, handler] of Object.entries(on)) node.addEventListener(name, handler);
  node.append(...children.flat().filter((child) => child != null && child !== "" && child !== false));
  return node;
}

/** The address when a browser may open it (http and https only), else null. */
export function webAddress(address) {
  try {
    const url = new URL(address);
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A link that opens elsewhere; only its label when the address is no web address. */
export function link(address, options, ...label) {
  const href = webAddress(address);
  if (!href) return el("span", options, ...label);
  return el("a", { ...options, href, target: "_blank", rel: "noopener noreferrer" }, ...label);
}

/** A name nothing else has; `crypto.randomUUID` is missing where the page is not on this machine. */
export function unique() {
  return `${Date.now()}-${Math.random()}`;
}

/** A face: the last character of a Chinese name, the first of any other; its colour stays with the name. */
export function face(name, kind = "") {
  const letters = Array.from(name.trim() || "?");
  const letter = /\p{Script=Han}/u.test(letters.at(-1)) ? letters.at(-1) : letters[0].toUpperCase();
  const colour = letters.reduce((sum, one) => sum + one.codePointAt(0), 0) % 6;
  return el("span", { class: `face face-${colour} ${kind}`, "aria-hidden": "true" }, letter);
}

/** The app's face: its icon. */
export function appFace() {
  return el("img", { class: "face", src: "/static/icon.svg", alt: "" });
}

/** Show `items` as the children of `parent`; the nodes of items that did not change stay, with focus and choices. */
export function keep(parent, items, key, draw) {
  const known = new Map(Array.from(parent.children, (node) => [node.dataset.key, node]));
  const nodes = items.map((item) => {
    const name = String(key(item));
    const shape = JSON.stringify(item);
    const old = known.get(name);
    return old?.shape === shape ? old : drawn(draw(item), name, shape);
  });
  const focused = Array.from(parent.children).find((node) => node.contains(document.activeElement));
  for (const node of Array.from(parent.children)) if (!nodes.includes(node)) node.remove();
  let place = parent.firstElementChild;
  for (const node of nodes) {
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  const successor = focused?.isConnected ? null : nodes.find((node) => focused && node.dataset.key === focused.dataset.key);
  successor?.querySelector("button, select, input")?.focus({ preventScroll: true });
}

function drawn(node, name, shape) {
  node.dataset.key = name;
  node.shape = shape;
  return node;
}
