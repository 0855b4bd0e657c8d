import { h } from "./dom.js";
import { stream } from "./api.js";
import { count, plain } from "./text.js";

const row = 34; // pixels, as in app.css
const renewed = 30000; // milliseconds until the list is read again

// same reports whether two lists show the same.
const same = (a, b) => a.size === b.size && [...b.values()].every((x) => {
  const y = a.get(x.name);
  return y && y.latest === x.latest && y.versions === x.versions && y.warning === x.warning && y.text === x.text;
});

// list is the searchable list of artifacts. Only the rows in sight are elements.
export function list(open) {
  const box = document.getElementById("list"), search = document.getElementById("search"), said = document.getElementById("count");
  let byName = new Map(), all = [], shown = [], at = -1, current = "", loading = false, trouble = "";
  let ended = -Infinity, took = 0, quiet = false; // of the last load, in milliseconds

  const space = h("div", { class: "space", role: "presentation" });
  box.append(space);

  function filter() {
    const asked = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const was = shown[at]?.name;
    shown = asked.length ? all.filter((a) => asked.every((w) => a.text.includes(w))) : all;
    at = shown.findIndex((a) => a.name === was);
    space.style.height = `${shown.length * row}px`;
    const n = asked.length ? `${shown.length.toLocaleString("en")} of ${count(all.length, "artifact")}` : count(all.length, "artifact");
    const words = plain(trouble ? `${n}; ${trouble}` : loading && !quiet ? `${n} …` : n);
    if (said.textContent !== words) said.textContent = words; // it is read aloud
    said.classList.toggle("bad", trouble !== "");
    draw();
  }

  function option(a, i) {
    const o = h("div", { role: "option", id: `o${i}`, class: "row", "aria-selected": String(i === at), "aria-setsize": shown.length, "aria-posinset": i + 1, title: a.name },
      h("bdi", {}, a.name), a.warning && h("span", { class: "warn", title: a.warning }, "!"), h("span", { class: "quiet" }, a.latest || count(a.versions, "version")));
    if (a.name === current) o.setAttribute("aria-current", "true");
    o.style.top = `${i * row}px`;
    o.addEventListener("click", () => { at = i; draw(); open(a.name); });
    return o;
  }

  function draw() {
    const from = Math.max(0, Math.floor(box.scrollTop / row) - 5);
    const to = Math.min(shown.length, Math.ceil((box.scrollTop + box.clientHeight) / row) + 5);
    const rows = [];
    if (at >= 0 && at < from) rows.push(option(shown[at], at));
    for (let i = from; i < to; i++) rows.push(option(shown[i], i));
    if (at >= to) rows.push(option(shown[at], at));
    space.replaceChildren(...rows);
    for (const e of [box, search]) at >= 0 ? e.setAttribute("aria-activedescendant", `o${at}`) : e.removeAttribute("aria-activedescendant");
  }

  function select(i) {
    if (!shown.length) return;
    at = Math.max(0, Math.min(shown.length - 1, i));
    const top = at * row;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + row > box.scrollTop + box.clientHeight) box.scrollTop = top + row - box.clientHeight;
    draw();
  }

  function key(ev) {
    const page = Math.max(1, Math.floor(box.clientHeight / row) - 1);
    const inText = ev.target === search && ["Home", "End"].includes(ev.key);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: shown.length - 1 }[ev.key];
    if (to !== undefined && !inText && !ev.ctrlKey && !ev.metaKey && !ev.altKey) {
      ev.preventDefault();
      select(to);
    } else if (ev.key === "Enter" && shown.length) {
      ev.preventDefault();
      if (at < 0) select(0);
      open(shown[at].name, true);
    } else if (ev.key === "Escape" && search.value) {
      ev.preventDefault();
      search.value = "";
      filter();
    }
  }

  box.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(box);
  box.addEventListener("keydown", key);
  search.addEventListener("keydown", key);
  search.addEventListener("input", () => { box.scrollTop = 0; at = -1; filter(); });

  function sort() {
    all = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    filter();
  }

  // load reads the list, again if it is there: then the old one stays until the new one is
  // whole. Quietly, nothing is shown of it but what is new.
  async function load(quietly) {
    quiet = quietly && (!loading || quiet);
    if (loading) return filter();
    loading = true;
    const begun = performance.now(), was = trouble, old = byName;
    if (!quiet) trouble = "";
    const fresh = new Map();
    let sorted = 0;
    if (!byName.size) byName = fresh;
    try {
      await stream((some) => {
        for (const a of some) {
          a.text = [a.name, ...(a.aliases ?? [])].join(" ").toLowerCase();
          fresh.set(a.name, a);
        }
        if (byName === fresh && Date.now() - sorted > 250) { sort(); sorted = Date.now(); }
      });
      trouble = "";
      if (quiet && was === trouble && same(old, fresh)) return;
      byName = fresh;
      sort();
    } catch (e) {
      trouble = e.message;
      sort();
    } finally {
      loading = false;
      ended = performance.now();
      took = ended - begun;
      if (!quiet) filter();
    }
  }

  // renew reads the list again if it is old: older the longer it takes, so that a page that
  // is only open takes a fiftieth of the store's time at most. Nobody looks at a hidden one.
  function renew(after) {
    if (!loading && !document.hidden && performance.now() - ended >= after) load(true);
  }
  setInterval(() => renew(Math.max(renewed, 50 * took)), 1000);
  document.addEventListener("visibilitychange", () => renew(2 * took)); // somebody looks again

  return {
    load,
    // mark shows which artifact the page is about.
    mark(name) {
      current = name;
      draw();
    },
  };
}
