// What is shown of texts that others wrote. They only ever become text nodes.

// Characters that turn, hide or break text; with u, surrogates are those without a partner.
const odd = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]/gu;
const oddButLines = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]/gu;

const spell = (c) => `\\u{${c.codePointAt(0).toString(16)}}`;

// plain is a text on one line, with odd characters spelled out.
export const plain = (s) => String(s ?? "").replace(odd, spell);

// lines is plain with line breaks and tabs left in.
export const lines = (s) => String(s ?? "").replace(oddButLines, spell);

export const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

// when is a time as records have it, without what nobody reads.
export const when = (s) => plain(s).replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?/, "$1 $2").replace(/(Z|\+00:00)$/, " UTC");

export const bytes = (n) => {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i ? n.toFixed(1) : n} ${units[i]}`;
};

// opens reports whether a node of a graph is a version that can be asked for: not data,
// and not what is missing.
export const opens = (node) => !node.input && !node.missing;
