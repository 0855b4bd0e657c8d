import { ask } from "./api.js";
import { chip, facts, h, link, name, table } from "./dom.js";
import { bytes, count, plain, when } from "./text.js";

const every = 5000; // milliseconds between looks

const good = (d) => ["serving", "not mounted"].includes(d.state) && (d.stores ?? []).every((s) => s.state === "ok") && !failed(d).length;
const failed = (d) => (d.outbox ?? []).filter((p) => p.state === "failed");

// watch keeps the word in the header true, and tells tell of each answer.
export function watch(tell) {
  const pill = document.getElementById("health");
  async function look() {
    if (!document.hidden) {
      let docs, trouble;
      try {
        docs = await ask("status");
      } catch (e) {
        trouble = e.message;
      }
      const words = trouble ?? summary(docs);
      if (pill.textContent !== words) pill.textContent = plain(words);
      pill.className = trouble || !docs.every(good) ? "bad" : "good";
      tell(docs, trouble);
    }
    setTimeout(look, every);
  }
  look();
}

function summary(docs) {
  const mounts = docs.filter((d) => d.mountpoint), ill = docs.filter((d) => !good(d));
  if (ill.length) {
    const s = ill.flatMap((d) => d.stores ?? []).find((s) => s.state !== "ok");
    const refused = ill.flatMap(failed).length;
    return s ? `${s.store} store: ${s.state}` : refused ? `${count(refused, "version")} not taken by W&B` : `${ill[0].mountpoint}: ${ill[0].state}`;
  }
  const waiting = docs.reduce((n, d) => n + (d.outbox ?? []).filter((p) => p.state !== "done").length, 0);
  return [mounts.length ? count(mounts.length, "mount") + " serving" : "stores up, not mounted", waiting && `${waiting} on the way to W&B`].filter(Boolean).join(", ");
}

// status is the page of all there is to say.
export function status(docs, trouble) {
  return [
    h("h1", {}, "Status"),
    h("p", { class: "quiet" }, `as of ${new Date().toLocaleTimeString("en-GB")}, looked at every ${every / 1000} seconds`),
    trouble && h("p", { class: "bad", role: "alert" }, trouble),
    (docs ?? []).map(one),
  ];
}

const state = (s) => chip(s, ["ok", "serving", "not mounted", "done"].includes(s) ? "strong" : ["queued", "pushing", "starting"].includes(s) ? "" : "alarm");

function one(d) {
  return h("section", { class: "card" },
    h("h2", {}, d.mountpoint ? name(d.mountpoint) : "The store", " ", state(d.state)),
    facts([
      ["Since", d.started && when(d.started)], ["Process", d.pid], ["Brought back", d.restarts && `${count(d.restarts, "time")}, last ${d.last_death}`],
      ["Lane", d.lane && [chip(d.lane), " ", d.why]], ["W&B", d.wandb], ["Data roots", (d.data_roots ?? []).join(", ")],
      ["Cache", d.cache && `${d.cache.dir}: ${count(d.cache.objects, "object")}, ${bytes(d.cache.used)} of ${bytes(d.cache.size)}${d.cache.trouble ? "; " + d.cache.trouble : ""}`],
      ["Log", d.log_file && h("code", {}, d.log_file)], ["Build", d.build],
    ]),
    (d.warnings ?? []).map((w) => h("p", { class: "note" }, w)),
    table("Stores", ["Store", "At", "State"], (d.stores ?? []).map((s) =>
      h("tr", {}, h("th", { scope: "row" }, s.store), h("td", {}, h("code", {}, s.root)), h("td", {}, state(s.state), s.cause && ` since ${when(s.since)}: ${s.cause}`)))),
    d.versions?.length > 0 && table("Versions in use", ["Version", "Lane", "Note"], d.versions.map((v) =>
      h("tr", {}, h("td", {}, link({ version: `${v.name}:v${v.version}` }, {}, name(`${v.name}:v${v.version}`))),
        h("td", {}, v.lane && chip(v.lane)), h("td", {}, [v.why, v.missing && `missing: ${v.missing}`].filter(Boolean).join("; "))))),
    d.outbox?.length > 0 && table("On the way to W&B", ["Artifact", "State", "Note"], d.outbox.map((p) =>
      h("tr", {}, h("td", {}, name(p.artifact + (p.alias ? ":" + p.alias : p.version ? ":" + p.version : ""))), h("td", {}, state(p.state)), h("td", {}, p.error ? `try ${p.tries}: ${p.error}${p.next ? "; again at " + when(p.next) : ""}` : p.run)))));
}
