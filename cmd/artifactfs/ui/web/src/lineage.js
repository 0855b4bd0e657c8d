import { ask } from "./api.js";
import { address, h, link, name } from "./dom.js";
import { draw } from "./graph.js";
import { count } from "./text.js";
import { tree } from "./tree.js";

const most = 2000; // nodes drawn: the nearest

// lineage is the page of a graph: drawn, and as text.
export async function lineage(q, signal, go) {
  const ref = q.get("lineage"), way = q.get("way") ?? "both", depth = q.get("depth") ?? "";
  const graph = index(await ask("lineage", { ref, way, depth }, signal));
  const at = (change) => address({ lineage: ref, ...(way !== "both" && { way }), ...(depth && { depth }), ...change });
  const pick = (label, value, options, key) => h("label", {}, label, " ",
    h("select", { onchange: (ev) => go(at({ [key]: ev.target.value }), false) }, options.map(([v, t]) => h("option", { value: v, selected: v === value }, t))));
  const cut = nearest(graph, most);
  const drawing = draw(cut, (node) => go(address({ version: node.id })));
  const all = graph.nodes.length;
  return [
    h("p", { class: "crumb" }, link({ version: graph.of }, {}, name(graph.of))),
    h("h1", {}, "Lineage of ", name(graph.of)),
    h("div", { class: "bar", role: "group", "aria-label": "What is drawn" },
      pick("Show", way, [["both", "both ways"], ["up", "what it was made from"], ["down", "what was made from it"]], "way"),
      pick("Steps", depth, [["", "all"], ["1", "1"], ["2", "2"], ["3", "3"], ["5", "5"], ["10", "10"]], "depth"),
      drawing.tools, h("span", { class: "quiet", id: "size" }, `${count(all, "node")}, ${count(graph.edges.length, "edge")}`)),
    cut.nodes.length < all && h("p", { class: "note" }, `The ${most.toLocaleString("en")} nearest are drawn. Fewer steps show less at once.`),
    drawing.box,
    way !== "down" && tree(graph, "Made from", graph.from),
    way !== "up" && tree(graph, "Used by", graph.to),
  ];
}

// index adds to a graph its nodes by id and its edges by either end.
function index(graph) {
  graph.edges ??= [];
  graph.byId = new Map(graph.nodes.map((n) => [n.id, n]));
  graph.from = new Map();
  graph.to = new Map();
  const add = (map, a, b) => (map.has(a) ? map.get(a).push(b) : map.set(a, [b]));
  for (const e of graph.edges) {
    add(graph.from, e.to, e.from);
    add(graph.to, e.from, e.to);
  }
  return graph;
}

// nearest is the part of a graph that is the fewest steps away.
function nearest(graph, n) {
  if (graph.nodes.length <= n) return graph;
  const kept = new Set([graph.of]);
  for (const id of kept) {
    for (const to of [...(graph.from.get(id) ?? []), ...(graph.to.get(id) ?? [])]) if (kept.size < n) kept.add(to);
    if (kept.size >= n) break;
  }
  return index({ of: graph.of, nodes: graph.nodes.filter((x) => kept.has(x.id)), edges: graph.edges.filter((e) => kept.has(e.from) && kept.has(e.to)) });
}
