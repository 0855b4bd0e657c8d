import { artifact, version } from "./artifact.js";
import { address, h } from "./dom.js";
import { lineage } from "./lineage.js";
import { list } from "./list.js";
import { status, watch } from "./status.js";
import { plain } from "./text.js";

const main = document.getElementById("main");
let looking = new AbortController(), shown = "", leave;
let last = [undefined, undefined]; // of the status

// go shows another page, with an address of its own.
function go(to, focus = true) {
  history.pushState(null, "", to);
  return show(focus);
}

// show shows what the address says.
async function show(focus) {
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  const q = new URLSearchParams(location.search);
  shown = ["lineage", "version", "artifact", "show"].find((k) => q.has(k)) ?? "";
  const of = q.get(shown) ?? "";
  artifacts.mark(shown === "artifact" ? of : shown === "show" ? "" : of.replace(/:[^:/]*$/, "").replace(/^\.(manifest|wandb)\//, ""));
  document.title = plain(of ? `${of}${shown === "lineage" ? " · lineage" : ""} · artifactfs` : "artifactfs");
  main.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => replace(h("p", { class: "quiet" }, "…")), 300);
  let page;
  try {
    page = await ({
      artifact: () => artifact(of, signal),
      version: () => version(of, signal),
      lineage: () => lineage(q, signal, go),
      show: () => status(...last),
    }[shown] ?? welcome)();
  } catch (e) {
    if (signal.aborted) return clearTimeout(slow);
    page = [h("h1", {}, "Not to be shown"), h("p", { class: "bad", role: "alert" }, e.message)];
  }
  clearTimeout(slow);
  if (signal.aborted) return;
  replace(page);
  main.removeAttribute("aria-busy");
  main.scrollTop = 0;
  if (focus) (main.querySelector("a.go, #graph, #lineage") ?? main).focus({ preventScroll: true });
}

function replace(page) {
  leave?.();
  leave = undefined;
  const parts = [page].flat(Infinity).filter(Boolean);
  main.replaceChildren(...parts);
  for (const p of parts) if (p.shown) leave = p.shown();
}

const welcome = () => [
  h("h1", {}, "Choose an artifact"),
  h("ul", { class: "keys" },
    h("li", {}, h("kbd", {}, "/"), " searches"),
    h("li", {}, h("kbd", {}, "↑"), " ", h("kbd", {}, "↓"), " choose, ", h("kbd", {}, "Enter"), " opens"),
    h("li", {}, h("kbd", {}, "g"), " from a version to its lineage, ", h("kbd", {}, "s"), " to the status")),
  h("p", { class: "quiet" }, h("a", { href: "dist/LICENSES.txt" }, "Licences of what this page is made with")),
];

const artifacts = list((name, focus) => go(address({ artifact: name }), focus));

addEventListener("popstate", () => show(true));
document.addEventListener("click", (ev) => {
  const a = ev.target.closest?.("a[href]");
  if (!a || ev.button || ev.ctrlKey || ev.metaKey || ev.shiftKey || a.pathname !== location.pathname || a.origin !== location.origin || a.hash) return;
  ev.preventDefault();
  go(a.href);
});
document.addEventListener("keydown", (ev) => {
  if (ev.ctrlKey || ev.metaKey || ev.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(ev.target.tagName)) return;
  const to = { "/": () => document.getElementById("search").select(), g: () => document.getElementById("lineage")?.click(), s: () => go(address({ show: "status" })) }[ev.key];
  if (!to) return;
  ev.preventDefault();
  document.getElementById("search").focus();
  if (ev.key !== "/") main.focus();
  to();
});

watch((docs, trouble) => {
  last = [docs ?? last[0], trouble];
  if (shown !== "show") return;
  const at = document.activeElement?.closest?.("main a")?.getAttribute("href"), { scrollTop } = main;
  replace(status(...last));
  main.scrollTop = scrollTop;
  if (at) [...main.querySelectorAll("a")].find((a) => a.getAttribute("href") === at)?.focus({ preventScroll: true });
});
document.getElementById("reload").addEventListener("click", () => artifacts.load());
artifacts.load();
show(false);
