// Gold and answer of a sample, by kind: labels, sets, shares, numbers, options, texts.

function goldPart(columns, index, row) {
  const known = codesOf(columns.gold[index]).map((code) => columns.labels[code]);
  const votes = row.meta && Array.isArray(row.meta.votes) ? row.meta.votes.map(String) : [];
  const isKnown = row.gold || (row.timeline && row.timeline.lanes[0].who === "gold");
  return h("section", { class: "box" }, h("h4", {}, "Gold"),
    columns.single && known.length ? h("p", { class: "label" }, known.join(", ")) : null,
    isKnown ? valueView(row.gold || {}, [...(columns.single ? mainKeys(row.gold) : []), ...besideKeys(columns)], labelsIn(row.answer)) : h("p", { class: "note" }, "No gold is known."),
    votes.length ? votesView(votes, known) : null);
}

function votesView(votes, known) {
  const counts = new Map();
  for (const vote of votes) counts.set(vote, (counts.get(vote) || 0) + 1);
  const rows = [...counts].sort((a, b) => b[1] - a[1]);
  return h("div", {}, h("h5", {}, plural(votes.length, "annotator")),
    h("ul", { class: "bars" }, rows.map(([label, count]) => h("li", {},
      h("span", { class: "name" }, label || "(none)"), bar(count / votes.length, `${count} of ${votes.length}`, known.includes(label) ? "goldy" : "plain")))));
}

function answerPart(columns, index, row, summary) {
  const labels = codesOf(columns.given[index]).map((code) => columns.labels[code]);
  const right = isRight(columns, index);
  const head = h("h4", {}, "Answer of ", summary.run);
  if (row.error) return h("section", { class: "box" }, head, h("p", { class: "label none" }, "The request failed"), h("pre", {}, row.error));
  if (!row.answer) return h("section", { class: "box" }, head, h("p", { class: "label none" }, "No readable answer"), h("p", {}, `Reason: ${(row.reason || "").replaceAll("_", " ")}`));
  const sure = row.answer.confidence;
  const gold = labelsIn(row.gold);
  return h("section", { class: "box" }, head,
    columns.single ? h("p", { class: "label" }, labels.join(", "), right === null ? null : h("span", { class: `verdict ${right ? "right" : "wrong"}` }, right ? "✓ right" : "✗ wrong")) : null,
    typeof sure === "number" ? h("ul", { class: "bars" }, h("li", {}, h("span", { class: "name" }, "confidence"), bar(sure, sure.toFixed(3), "plain"))) : null,
    valueView(row.answer, [...(columns.single ? mainKeys(row.answer) : []), ...besideKeys(columns), "confidence"], gold),
    overlap(columns, gold, labelsIn(row.answer)),
    h("p", { class: "how" }, `read by: ${row.rule}`,
      row.attempt ? h("span", { class: "chip" }, `re-ask ${row.attempt}`) : null,
      (row.repairs || []).map((name) => h("span", { class: "chip" }, name.replaceAll("_", " "))),
      (row.dropped || []).map((name) => h("span", { class: "chip gone" }, "dropped: ", name))));
}

// The key of the single label, which is shown large.
const mainKeys = (value) => ["label", "emotion", "choice"].filter((key) => typeof value[key] === "string").slice(0, 1);

// Numbers stand in a table of their own, gold beside answer.
const besideKeys = (columns) => (columns.kind.name === "Dims" ? columns.kind.names : []);

/** All labels in the lists of a value, in lower case, to mark the ones that gold and answer share. */
function labelsIn(value) {
  return new Set(Object.values(value || {}).filter(Array.isArray).flat()
    .map((item) => (item && typeof item === "object" ? item.label ?? item.emotion : item))
    .filter((name) => typeof name === "string").map((name) => name.toLowerCase()));
}

/** How many gold labels of a set the answer names. */
function overlap(columns, gold, given) {
  if (!["AnyOf", "Described"].includes(columns.kind.name) || !gold.size) return null;
  const both = [...gold].filter((label) => given.has(label)).length;
  return h("p", { class: "how" }, `✓ ${whole(both)} of ${plural(gold.size, "gold label")} named, compared as written`);
}

/** Gold and answered numbers beside each other, each on its scale; null for other kinds. */
function numbersPart(columns, row) {
  const { name: kind, names, low, high } = columns.kind;
  if (kind !== "Dims" || !(row.gold || row.answer)) return null;
  const show = (value) => (typeof value === "number" ? value.toFixed(3).replace("-", "−") : MISSING);
  const place = (value) => `${(100 * clamp((value - low) / (high - low), 0, 1)).toFixed(2)}%`;
  const rows = names.map((name) => {
    const [gold, given] = [row.gold?.[name], row.answer?.[name]];
    const both = typeof gold === "number" && typeof given === "number";
    return [rowHead(name),
      h("td", { class: "wide" }, h("span", { class: "track", role: "img", "aria-label": `${name}: gold ${show(gold)}, answered ${show(given)}, from ${low} to ${high}` },
        typeof gold === "number" ? h("span", { class: "tick", vars: { "--at": place(gold) } }) : null,
        typeof given === "number" ? h("span", { class: "dot", vars: { "--at": place(given) } }) : null)),
      ...[show(gold), show(given), show(both ? given - gold : null)].map((text) => h("td", { class: "number" }, text))];
  });
  return h("section", { class: "box numbers" }, h("h4", {}, "Gold ", h("span", { class: "tick sign", "aria-hidden": "true" }), " and answer ", h("span", { class: "dot sign", "aria-hidden": "true" })),
    table("Gold and answered numbers", ["", `${low} to ${high}`, ...countHeads("gold", "answer", "difference")], rows, { class: "more" }));
}

/** The text behind an option: of the task, or of the sample's meta (two descriptions to choose from). */
function optionTexts(columns, row) {
  if (columns.kind.name !== "Pick") return [];
  return columns.kind.options.map((option, place) => [option, columns.kind.texts[place] ?? row.meta?.[option]]).filter(([, text]) => typeof text === "string" && text);
}

function optionsPart(columns, row) {
  const texts = optionTexts(columns, row);
  return texts.length ? h("div", { class: "pair" }, texts.map(([option, text]) => h("section", { class: "box" },
    h("h4", {}, option, row.gold?.choice === option ? h("span", { class: "chip" }, "gold") : null, row.answer?.choice === option ? h("span", { class: "chip" }, "answered") : null),
    h("p", { class: "told", dir: "auto" }, text)))) : null;
}

/** A value of any answer kind: lists of scored labels as bars, lists of names as chips, the rest as text. */
function valueView(value, without, shared) {
  const entries = Object.entries(value).filter(([key, item]) => !without.includes(key) && item !== null && item !== "" && !(Array.isArray(item) && !item.length));
  return entries.length ? h("dl", {}, entries.map(([key, item]) => [h("dt", {}, key.replaceAll("_", " ")), h("dd", {}, itemView(item, shared))])) : null;
}

function itemView(item, shared) {
  if (Array.isArray(item)) {
    const strength = (one) => (one && typeof one === "object" ? one.confidence ?? (typeof one.salience === "number" ? one.salience / 100 : null) : null);
    if (item.every((one) => typeof one === "string")) return item.map((one) => h("span", { class: "chip" }, shared.has(one.toLowerCase()) ? "✓ " : null, one));
    if (item.every((one) => one && typeof one === "object" && (one.label ?? one.emotion) !== undefined && Object.keys(one).length <= 2)) {
      return h("ul", { class: "bars" }, item.map((one) => {
        const name = String(one.label ?? one.emotion);
        const sure = strength(one);
        const both = shared.has(name.toLowerCase());
        const text = one.salience === undefined ? sure?.toFixed(2) : `${one.salience}%`;
        return h("li", {}, h("span", { class: "name" }, both ? "✓ " : null, name), typeof sure === "number" ? bar(sure, text, both ? "goldy" : "plain") : null);
      }));
    }
    return h("ol", {}, item.map((one) => h("li", {}, itemView(one, shared))));
  }
  if (item && typeof item === "object") return valueView(item, [], shared);
  return h("span", { class: "told", dir: "auto" }, String(item));
}
