// ask gets one answer of the server; what is wrong is an Error with its words.
export async function ask(what, query, signal) {
  let r;
  try {
    r = await fetch(`api/${what}?` + new URLSearchParams(query ?? {}), { signal });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Error("artifactfs ui does not answer: it may have ended");
  }
  if (r.ok) return r.json();
  const text = await r.text();
  let words = text;
  try {
    words = JSON.parse(text).error;
  } catch {
    // it was in words already
  }
  throw new Error(words);
}

// stream calls got with the artifacts of each piece that arrives. A stream without its last
// line broke off.
export async function stream(got) {
  const r = await fetch("api/artifacts");
  if (!r.ok) throw new Error(await r.text());
  const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const parts = (rest + (value ?? "")).split("\n");
    rest = parts.pop();
    const all = parts.map((p) => JSON.parse(p));
    const end = all.length && "end" in all.at(-1) ? all.pop() : undefined;
    got(all);
    if (end?.error) throw new Error(end.error);
    if (end) return;
    if (done) throw new Error("the list broke off");
  }
}
