import { ask } from "./api.js";
import { arrows, chip, facts, h, link, name, table } from "./dom.js";
import { count, lines, when } from "./text.js";

// full is a version as a reference: below its view, if the number is not the tree's.
const full = (view, of, number) => `${view ? `.${view}/` : ""}${of}:${number}`;

// artifact is the page of one name: its versions, the newest first.
export async function artifact(of, signal) {
  const first = await ask("versions", { name: of }, signal);
  const body = h("tbody");
  const line = (v) => h("tr", { class: v.retired ? "retired" : "" },
    h("td", {}, link({ version: full(v.in, of, v.version) }, { class: "go" }, v.in ? `${v.in}:${v.version}` : v.version)),
    h("td", {}, (v.aliases ?? []).map((a) => chip(a, a === "latest" ? "strong" : "")), v.retired && chip("retired", "off")),
    h("td", {}, v.unread ? h("span", { class: "bad" }, v.unread) : v.type),
    h("td", { class: "nowrap" }, when(v.created_at)),
    h("td", {}, v.producer && name(v.producer)));
  const t = table(count(first.total, "version"), ["Version", "Aliases", "Type", "Logged", "By"], []);
  t.querySelector("tbody").replaceWith(body);
  const more = h("button", { type: "button" }, "Older versions");
  const restart = arrows(body, "a.go");
  let next;
  function add(page) {
    body.append(...(page.foreign ?? []).map(line), ...page.versions.map(line));
    next = page.next;
    more.hidden = !next;
    restart();
  }
  more.addEventListener("click", async () => {
    more.disabled = true;
    try {
      const had = body.querySelectorAll("a.go").length;
      add(await ask("versions", { name: of, before: next }, signal));
      body.querySelectorAll("a.go")[had]?.focus();
    } catch (e) {
      more.after(h("p", { class: "bad", role: "alert" }, e.message));
    }
    more.disabled = false;
  });
  add(first);
  return [
    h("h1", {}, name(of)),
    first.warning && h("p", { class: "bad" }, first.warning),
    first.total + (first.foreign?.length ?? 0) ? [t, more] : h("p", {}, "No version of this name."),
    first.below && h("section", {}, h("h2", {}, "Below this name"), h("ul", {}, first.below.map((b) => h("li", {}, link({ artifact: b }, {}, name(b)))))),
  ];
}

// used is a link to what a record says was used, as the record spells it.
const used = (ref) => h("li", {}, link({ version: ref }, {}, name(ref)));

// version is the page of one version.
export async function version(ref, signal) {
  const v = await ask("version", { ref }, signal);
  const shown = new Set(["name", "version", "path", "type", "created_at", "producer", "inputs", "used_artifacts"]);
  const fields = v.fields.filter((f) => !shown.has(f.key));
  return [
    h("p", { class: "crumb" }, link({ artifact: v.name }, {}, name(v.name))),
    h("h1", {}, name(v.name), " ", h("span", { class: "version" }, v.in ? `${v.in}:${v.version}` : v.version), " ",
      (v.aliases ?? []).map((a) => chip(a, a === "latest" ? "strong" : "")), v.retired && chip("retired", "off")),
    (v.warnings ?? []).map((w) => h("p", { class: "note" }, w)),
    v.missing && h("p", { class: "bad" }, v.missing),
    h("p", {}, link({ lineage: full(v.in, v.name, v.version) }, { class: "button", id: "lineage" }, "Lineage")),
    facts([
      ["Type", v.type], ["Logged", v.created_at && when(v.created_at)], ["By", v.producer && name(v.producer)], ["Job", v.job && name(v.job)],
      ["Data", v.path && h("code", {}, v.path)], ["Read at", v.data && h("code", {}, v.data)], ["Record", h("code", {}, v.manifest)],
    ]),
    v.used_artifacts && h("section", {}, h("h2", {}, "Made from"), h("ul", {}, v.used_artifacts.map(used))),
    v.inputs && h("section", {}, h("h2", {}, "Inputs"), h("ul", {}, v.inputs.map((i) => h("li", {}, h("code", {}, i))))),
    h("section", {}, fields.length ? table(count(fields.length, "field"), ["Field", "Value"],
      fields.map((f) => h("tr", {}, h("th", { scope: "row" }, name(f.key)), h("td", {}, value(f))))) : h("p", { class: "quiet" }, "No fields of its own.")),
  ];
}

// value is a field's text, as it is.
function value(f) {
  const pre = h("pre", { class: f.json ? "json" : "" });
  pre.textContent = lines(f.text);
  return [pre, f.cut && h("p", { class: "quiet" }, `… and ${count(f.cut, "byte")} more`)];
}
