import cytoscape from "cytoscape";
import { h } from "./dom.js";
import { place } from "./layers.js";
import { count, opens, plain, when } from "./text.js";

const wide = 196, high = 36, step = wide + 48;

// short leaves out the middle of what is too long for a node: the version is at the end.
function short(text) {
  const all = [...text];
  return all.length <= 23 ? text : all.slice(0, 10).join("") + "…" + all.slice(-12).join("");
}

// draw makes the picture of a graph. It is drawn once it is in the page (shown), and every
// node can be reached by keys: the picture itself has no elements that could take the focus.
export function draw(graph, open) {
  const said = h("p", { id: "said", role: "status" });
  const canvas = h("div", { class: "canvas" });
  const box = h("div", { id: "graph", tabindex: 0, role: "application", "aria-roledescription": "graph", "aria-label": `Lineage of ${graph.of}: ${count(graph.nodes.length, "node")}`, "aria-describedby": "said keys" }, canvas);
  const figure = h("div", { class: "graph" }, box, said,
    h("p", { id: "keys", class: "quiet" }, "Arrow keys walk the graph, Enter opens, + and − zoom, 0 shows all, Home goes back. The same as text is below."));
  let cy, at = graph.of;

  const ids = graph.nodes.map((n) => n.id);
  const where = place(ids, graph.edges.filter((e) => e.from !== e.to).map((e) => [e.from, e.to]), step, high + 14);

  function say() {
    const n = graph.byId.get(at);
    const words = n.missing ? `missing: ${n.missing}` : n.input ? "data" : [n.type, n.created_at && when(n.created_at), n.producer].filter(Boolean).join(", ");
    said.textContent = plain(`${at} — ${words}; made from ${graph.from.get(at)?.length ?? 0}, used by ${graph.to.get(at)?.length ?? 0}${n.more ? ", and more beyond" : ""}`);
  }

  // to makes a node the current one, and brings it into sight.
  function to(id) {
    if (!id) return;
    cy.nodes(".at").removeClass("at");
    at = id;
    const node = cy.getElementById(id);
    node.addClass("at");
    const b = node.renderedBoundingBox(), e = cy.extent();
    if (cy.zoom() < 0.5) cy.zoom(0.8);
    if (b.x1 < 0 || b.y1 < 0 || b.x2 > cy.width() || b.y2 > cy.height() || e.w > 4000) cy.center(node);
    say();
  }

  // beside is the nearest node of some: by column, then by height.
  function beside(list) {
    const here = where.get(at), far = (id) => Math.abs(where.get(id).x - here.x) * 1000 + Math.abs(where.get(id).y - here.y);
    return (list ?? []).filter((id) => id !== at && where.has(id)).sort((a, b) => far(a) - far(b))[0];
  }

  function column(sign) {
    const here = where.get(at);
    return ids.filter((id) => where.get(id).x === here.x && (where.get(id).y - here.y) * sign > 0)
      .sort((a, b) => (where.get(a).y - where.get(b).y) * sign)[0];
  }

  function zoom(by) { cy.zoom({ level: cy.zoom() * by, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } }); }
  const enter = () => { const n = graph.byId.get(at); if (opens(n)) open(n); };
  const keys = {
    ArrowLeft: () => to(beside(graph.from.get(at))), ArrowRight: () => to(beside(graph.to.get(at))),
    ArrowUp: () => to(column(-1)), ArrowDown: () => to(column(1)), Home: () => to(graph.of),
    Enter: enter, "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => cy.fit(undefined, 20),
  };
  box.addEventListener("keydown", (ev) => {
    if (!keys[ev.key] || ev.ctrlKey || ev.metaKey || ev.altKey) return;
    ev.preventDefault();
    keys[ev.key]();
  });

  figure.shown = () => {
    cy = cytoscape({
      container: canvas, layout: { name: "preset" }, style: style(), minZoom: 0.02, maxZoom: 2.5,
      autoungrabify: true, boxSelectionEnabled: false, textureOnViewport: graph.nodes.length > 300,
      elements: {
        nodes: graph.nodes.map((n) => ({ data: { id: n.id, label: short(plain(n.id)) }, position: where.get(n.id), classes: [n.id === graph.of && "of", n.missing && "missing", n.input && "data"].filter(Boolean) })),
        edges: graph.edges.map((e, i) => ({ data: { id: ` ${i}`, source: e.from, target: e.to }, classes: graph.edges.length <= 400 && Math.abs(where.get(e.to).x - where.get(e.from).x) > step ? ["far"] : [] })),
      },
    });
    cy.fit(undefined, 20);
    if (cy.zoom() < 0.6) { cy.zoom(0.9); cy.center(cy.getElementById(graph.of)); } else if (cy.zoom() > 1) { cy.zoom(1); cy.center(); }
    to(graph.of);
    cy.on("tap", "node", (ev) => { to(ev.target.id()); });
    cy.on("dbltap", "node", enter);
    cy.one("render", () => { box.dataset.drawn = String(cy.nodes().length); });
    const dark = matchMedia("(prefers-color-scheme: dark)"), again = () => cy.style(style());
    dark.addEventListener("change", again);
    return () => { dark.removeEventListener("change", again); cy.destroy(); };
  };
  const button = (text, label, act) => h("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  const tools = h("span", { class: "tools" }, button("−", "Zoom out", () => zoom(0.8)), button("+", "Zoom in", () => zoom(1.25)), button("Show all", "Show all of the graph", () => cy.fit(undefined, 20)),
    button("Open", "Open the chosen node", enter));
  return { box: figure, tools };
}

// style takes its colours from the page's, light or dark.
function style() {
  const css = getComputedStyle(document.documentElement), c = (v) => css.getPropertyValue(`--${v}`).trim();
  return [
    { selector: "node", style: { shape: "round-rectangle", width: wide, height: high, "background-color": c("card"), "border-width": 1.5, "border-color": c("edge"), label: "data(label)", color: c("text"), "font-size": 14, "font-family": "system-ui, sans-serif",
      "text-valign": "center", "text-halign": "center", "min-zoomed-font-size": 5 } },
    { selector: "node.data", style: { shape: "barrel", "background-color": c("data") } },
    { selector: "node.missing", style: { "border-style": "dashed", "border-color": c("bad"), color: c("bad") } },
    { selector: "node.of", style: { "background-color": c("accent"), "border-color": c("accent"), color: c("on-accent") } },
    { selector: "node.at", style: { "outline-width": 3, "outline-color": c("focus"), "outline-offset": 3 } },
    { selector: "edge", style: { width: 1.5, "line-color": c("edge"), "curve-style": "straight", "source-endpoint": "50% 0%", "target-endpoint": "-50% 0%", "target-arrow-shape": "triangle", "target-arrow-color": c("edge"), "arrow-scale": 0.8 } },
    // What passes other columns goes around what is in them.
    { selector: "edge.far", style: { "curve-style": "unbundled-bezier", "control-point-distances": 95, "control-point-weights": 0.5 } },
  ];
}
