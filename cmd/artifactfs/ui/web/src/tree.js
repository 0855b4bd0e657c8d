import { arrows, h, link, name } from "./dom.js";
import { opens } from "./text.js";

const most = 3000; // lines

// tree is the graph in words: for who does not see it, and to copy. What was drawn before
// is not drawn again, which in a cycle had no end.
export function tree(graph, title, next) {
  const drawn = new Set(), box = h("ul", { role: "tree", "aria-label": title });
  const stack = (next.get(graph.of) ?? []).map((id) => [id, 1]).reverse();
  let n = 0;
  for (; stack.length && n < most; n++) {
    const [id, level] = stack.pop(), node = graph.byId.get(id), below = next.get(id) ?? [];
    const again = drawn.has(id) && below.length > 0;
    const item = h("li", { role: "treeitem", "aria-level": level });
    item.style.paddingInlineStart = `${Math.min(level, 40) * 1.25}rem`;
    item.append(open(node), ...[node.missing ? h("span", { class: "bad" }, ` missing: ${node.missing}`) : h("span", { class: "quiet" }, node.input ? " data" : ` ${node.type ?? ""}`),
      again && h("span", { class: "quiet" }, " (see above)"), node.more && " …"].filter(Boolean));
    box.append(item);
    if (again) continue;
    drawn.add(id);
    for (const to of [...below].reverse()) stack.push([to, level + 1]);
  }
  arrows(box, "a");
  return h("section", {}, h("h2", {}, title), n ? box : h("p", { class: "quiet" }, "nothing"),
    stack.length > 0 && h("p", { class: "note" }, `The first ${most} lines. artifactfs lineage prints all.`));
}

// open is a link to a version; what is none leads nowhere.
const open = (node) => (opens(node) ? link({ version: node.id }, {}, name(node.id)) : h("a", { role: "link", "aria-disabled": "true" }, name(node.id)));
