// Where the nodes of a lineage lie: columns from left to right, what was made from it
// right of each. General layouts take ten seconds and more for a thousand nodes that
// have two parents each, most of it for bends of edges, which are straight here.

// A column that is taller is cut into several.
const tallest = 60;

// place returns a Map of positions. edges are [from, to]; a cycle is cut where it is closed.
export function place(ids, edges, dx, dy) {
  const { next, prev } = acyclic(ids, edges);
  const layers = columns(ids, next, prev);
  order(layers, next, prev);
  const cut = layers.flatMap((l) => {
    const n = Math.ceil(l.length / tallest), size = Math.ceil(l.length / n);
    return Array.from({ length: n }, (_, i) => l.slice(i * size, (i + 1) * size));
  });
  return spread(cut, next, prev, dx, dy);
}

// acyclic are the neighbours by either side, without edges that close a cycle.
function acyclic(ids, edges) {
  const all = new Map(ids.map((id) => [id, []])), next = new Map(ids.map((id) => [id, []])), prev = new Map(ids.map((id) => [id, []]));
  for (const [a, b] of edges) all.get(a)?.push(b);
  const done = new Map(); // false while below it
  for (const root of ids) {
    if (done.has(root)) continue;
    const stack = [[root, 0]];
    done.set(root, false);
    while (stack.length) {
      const top = stack.at(-1), list = all.get(top[0]);
      if (top[1] === list.length) {
        done.set(top[0], true);
        stack.pop();
        continue;
      }
      const to = list[top[1]++];
      if (done.get(to) === false || !all.has(to)) continue;
      next.get(top[0]).push(to);
      prev.get(to).push(top[0]);
      if (!done.has(to)) {
        done.set(to, false);
        stack.push([to, 0]);
      }
    }
  }
  return { next, prev };
}

// columns puts each node right of all it was made from, and what was made from nothing
// next to what was made from it.
function columns(ids, next, prev) {
  const at = new Map(), left = new Map(ids.map((id) => [id, prev.get(id).length]));
  const ready = ids.filter((id) => !left.get(id));
  ready.forEach((id) => at.set(id, 0));
  for (const id of ready) {
    for (const to of next.get(id)) {
      at.set(to, Math.max(at.get(to) ?? 0, at.get(id) + 1));
      left.set(to, left.get(to) - 1);
      if (!left.get(to)) ready.push(to);
    }
  }
  for (const id of ids) {
    if (!prev.get(id).length && next.get(id).length) at.set(id, Math.min(...next.get(id).map((n) => at.get(n))) - 1);
  }
  const out = [];
  for (const id of ready) (out[at.get(id)] ??= []).push(id);
  return out.filter(Boolean);
}

// order sorts each column by where its neighbours are, a few times to and fro.
function order(layers, next, prev) {
  const pos = new Map();
  const number = (l) => l.forEach((id, i) => pos.set(id, i / l.length));
  layers.forEach(number);
  for (let sweep = 0; sweep < 12; sweep++) {
    const side = sweep % 2 ? next : prev;
    for (const l of sweep % 2 ? [...layers].reverse() : layers) {
      const want = new Map(l.map((id) => [id, mean(side.get(id), pos) ?? pos.get(id)]));
      l.sort((a, b) => want.get(a) - want.get(b));
      number(l);
    }
  }
}

function mean(ids, pos) {
  return ids.length ? ids.reduce((sum, id) => sum + pos.get(id), 0) / ids.length : undefined;
}

// spread draws each node towards its neighbours, as far as its column lets it.
function spread(layers, next, prev, dx, dy) {
  const y = new Map();
  for (const l of layers) l.forEach((id, i) => y.set(id, (i - (l.length - 1) / 2) * dy));
  for (let sweep = 0; sweep < 8; sweep++) {
    const ahead = sweep % 2 === 0;
    for (const l of ahead ? layers : [...layers].reverse()) {
      const want = l.map((id) => mean(ahead ? prev.get(id) : next.get(id), y) ?? y.get(id));
      apart(want, dy).forEach((v, i) => y.set(l[i], v));
    }
  }
  const out = new Map();
  layers.forEach((l, i) => l.forEach((id) => out.set(id, { x: i * dx, y: y.get(id) })));
  return out;
}

// apart is want with gaps of at least dy, as near as can be (isotonic regression: those
// that are too close become a block at their mean).
function apart(want, dy) {
  const blocks = [];
  want.forEach((w, i) => {
    blocks.push({ sum: w - i * dy, n: 1 });
    while (blocks.length > 1) {
      const b = blocks.at(-1), a = blocks.at(-2);
      if (a.sum / a.n <= b.sum / b.n) break;
      blocks.splice(-2, 2, { sum: a.sum + b.sum, n: a.n + b.n });
    }
  });
  return blocks.flatMap((b) => Array(b.n).fill(b.sum / b.n)).map((v, i) => v + i * dy);
}
