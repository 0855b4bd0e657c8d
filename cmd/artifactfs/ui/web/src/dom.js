import { plain } from "./text.js";

// h makes an element. Children that are no nodes become text, cleaned; there is no way to
// markup from here, and no attribute takes an address but through link.
export function h(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs ?? {})) {
    if (value === undefined || value === false || value === null) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (key === "class") e.className = value;
    else e.setAttribute(key, value === true ? "" : plain(value));
  }
  for (const c of children.flat(Infinity)) {
    if (c === undefined || c === null || c === false || c === "") continue;
    e.append(c instanceof Node ? c : plain(c));
  }
  return e;
}

// address is that of a page of ours: ?version=NAME:v2, below the path that is this server's.
export const address = (query) => "?" + new URLSearchParams(query);

// link goes to a page of ours, never elsewhere.
export function link(query, attrs, ...children) {
  const a = h("a", attrs, ...children);
  a.href = address(query);
  return a;
}

// name is a name that others gave: its direction stays its own.
export const name = (s) => h("bdi", { class: "name" }, s);

export const chip = (text, kind = "") => h("span", { class: "chip " + kind }, text);

// rows is a table. A header that is "" is for eyes that see what is below.
export function table(caption, header, body) {
  return h("div", { class: "scroll" }, h("table", {},
    h("caption", { class: "quiet" }, caption),
    h("thead", {}, h("tr", {}, header.map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, body)));
}

export const facts = (pairs) => h("dl", {}, pairs.filter(([, v]) => v !== undefined && v !== "" && v !== null)
  .map(([k, v]) => [h("dt", {}, k), h("dd", {}, v)]));

// arrows lets arrow keys walk among the links of a list, of which Tab stops at one.
export function arrows(box, selector) {
  const all = () => [...box.querySelectorAll(selector)];
  const first = () => all().forEach((e, i) => (e.tabIndex = i ? -1 : 0));
  first();
  box.addEventListener("keydown", (ev) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[ev.key];
    const list = all(), at = list.indexOf(document.activeElement);
    if (step === undefined || at < 0 || ev.ctrlKey || ev.metaKey || ev.altKey) return;
    ev.preventDefault();
    const to = list[Math.max(0, Math.min(list.length - 1, at + step))];
    list[at].tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  });
  return first;
}
