// The report: one function a section, each from the data of eval/html/summary.py to an element, or null without data.

/** The address of the samples that fit a filter (the names are those of the filter, see samples.js). */
const samplesWith = (filter) => `#samples?${new URLSearchParams(filter)}`;

const find = (filter, text, what) => h("a", { href: samplesWith(filter), title: what || null }, text);

function section(id, title, note, ...content) {
  return h("section", { id, "aria-labelledby": `${id}-title` },
    h("h2", { id: `${id}-title` }, title), note && h("p", { class: "note" }, note), ...content);
}

function drawReport(data, columns) {
  $("view-report").replaceChildren(...[
    headline, comparison, challengeTables, publishedTables, slices, confusion, classes, labelSets, reliability, reading, failures, feeding, settings,
  ].map((draw) => draw(data, columns)).filter(Boolean));
}

const bounds = (metric) => [metric.low ?? 0, metric.high ?? 1];

/** An axis that all these scores of a metric share: their intervals, out to the next tenth of the metric's range. */
function axisOf(metric, rows) {
  const [low, high] = bounds(metric);
  const values = rows.flatMap((row) => row.scores[metric.name] || []).filter((value) => value !== null);
  const step = (high - low) / 10;
  const from = Math.floor((Math.min(...values) - low) / step) * step + low;
  const to = Math.ceil((Math.max(...values) - low) / step) * step + low;
  return from < to ? [Math.max(low, from), Math.min(high, to)] : [low, high];
}

/** The heads of score columns: title, and the axis that the pictures below it share. */
const scoreHeads = (metrics, axes) => metrics.map((metric, place) =>
  h("th", { scope: "col", title: metric.source }, metric.title,
    hasAxis(metric) && h("small", { class: "axis" }, h("span", {}, axes[place][0].toFixed(1)), h("span", {}, axes[place][1].toFixed(1)))));

const countHeads = (...names) => names.map((name) => h("th", { scope: "col", class: "number" }, name));

// A metric without two finite bounds has no axis of its own: its numbers stand without a picture.
const hasAxis = (metric) => metric.low !== null && metric.high !== null;

/** Metrics by the part of an answer that they measure, in order; the headline is the first metric of all. */
function byPart(metrics) {
  const parts = new Map();
  for (const metric of metrics) {
    if (!parts.has(metric.part)) parts.set(metric.part, []);
    parts.get(metric.part).push(metric);
  }
  return [...parts];
}

/** Wide tables, one a part: the first stands open, the others are there to be opened. */
function folded(parts, draw) {
  return parts.map(([name, metrics], place) => (place ? h("details", { class: "part" }, h("summary", {}, name), draw(name, metrics)) : draw(name, metrics)));
}

// "lower is better" has to be seen: half of the metrics of confidence are errors.
const titleOf = (metric) => [metric.title, metric.best !== null && metric.best === metric.low ? h("span", { class: "down", title: "lower is better", role: "img", "aria-label": "lower is better" }, " ↓") : null];

// So many metrics of a part have a card or a column each; a table of lines holds the others.
const COLUMNS = 6;

const capital = (text) => text[0].toUpperCase() + text.slice(1);

function headline(data) {
  const [run] = data.runs;
  const [[, first] = ["", []], ...others] = byPart(data.metrics.filter((metric) => run.scores[metric.name]));
  if (!data.metrics.length) return section("scores", "Scores", "Nothing is scored: no sample has gold.");
  if (first.length > COLUMNS) others.unshift([`more of ${data.metrics[0].part}`, first.slice(COLUMNS)]);
  const cards = first.slice(0, COLUMNS).map((metric, place) => {
    const value = run.scores[metric.name];
    return h("li", { class: place ? null : "first" },
      h("h3", { title: metric.source }, titleOf(metric)),
      h("p", { class: "big" }, score(value[0])),
      hasAxis(metric) ? track(value, ...bounds(metric), metric.title) : null,
      h("p", { class: "range" }, value[1] === null ? "no interval: one group only" : `95%: ${score(value[1])} to ${score(value[2])}`));
  });
  const counts = `${plural(run.n, "sample")} with gold; ${whole(run.unparsed)} without a readable answer and ` +
    `${plural(run.errors, "failed request")} are among them and count as wrong. `;
  const how = run.groups > 1
    ? `Intervals: 95%, percentile bootstrap that resamples ${plural(run.groups, "group")} (by “${data.group}”).`
    : "All samples are of one group: there are no intervals.";
  return section("scores", "Scores", counts + how, h("ul", { class: "cards" }, cards), ...others.flatMap((part) => partScores(data, run, ...part)));
}

/** The scores of a further part, a line each. */
function partScores(data, run, name, metrics) {
  const rows = metrics.map((metric) => {
    const value = run.scores[metric.name];
    const missing = data.missing[metric.name];
    return [h("th", { scope: "row", title: metric.source }, titleOf(metric)), h("td", { class: "figure" }, withInterval(value)),
      h("td", { class: "wide" }, hasAxis(metric) ? track(value, ...bounds(metric), metric.title) : null),
      h("td", { class: "dim" }, missing ? `${plural(missing, "answer")} without it` : "")];
  });
  return [h("h3", { class: "part" }, capital(name)), table(`Scores: ${name}`, null, rows, { class: "more" })];
}

function comparison(data) {
  if (data.runs.length < 2) return null;
  const parts = byPart(data.metrics.filter((metric) => data.runs.filter((run) => run.scores[metric.name]).length > 1));
  return section("comparison", "Side by side", "",
    ...folded(parts, (name, metrics) => {
      const shown = metrics.slice(0, COLUMNS);
      const axes = shown.map((metric) => axisOf(metric, data.runs));
      const head = ["run", ...scoreHeads(shown, axes), ...countHeads("n", "unparsed", "errors")];
      const rows = data.runs.map((run, place) => [
        h("th", { scope: "row", class: place ? null : "own" }, h("strong", {}, run.name), h("small", {}, run.model)),
        ...shown.map((metric, column) => scoreCell(run.scores[metric.name], metric, axes[column])),
        ...[run.n, run.unparsed, run.errors].map((count) => h("td", { class: "number" }, whole(count))),
      ]);
      return [table(`Runs side by side: ${name}`, head, rows, { class: "scores" }), linesOf(name, metrics, data.runs.map((run) => [run.name, run]))];
    }),
    ...differences(data));
}

/** The metrics that have no column, a line each; `columns` are [name, {scores}]. */
function linesOf(name, metrics, columns) {
  const rows = metrics.slice(COLUMNS).map((metric) => [
    h("th", { scope: "row", title: metric.source }, titleOf(metric)),
    ...columns.map(([, { scores }]) => h("td", { class: "figure" }, scores[metric.name] ? withInterval(scores[metric.name]) : MISSING)),
  ]);
  return rows.length ? h("details", { class: "part" }, h("summary", {}, `${whole(rows.length)} more of ${name}`), table(`More of ${name}`, ["", ...columns.map(([title]) => title)], rows, { class: "more" })) : null;
}

const MARKS = { "▲": "better", "▼": "worse", "≠": "unequal" };

/** Paired differences to the first run, and why a run has none. */
function differences(data) {
  const { rows, problems, note } = data.differences;
  const parts = byPart(data.metrics.filter((metric) => rows.some((row) => row.metric === metric.name)));
  const line = (row, metric) => [
    rowHead(row.run), titleOf(metric), h("td", { class: "number" }, withInterval(row.value)),
    h("td", { class: "number" }, row.p === null ? MISSING : row.p < 0.001 ? "< 0.001" : row.p.toFixed(3)),
    h("td", { class: row.mark ? "" : "dim" }, row.mark ? `${row.mark} ${MARKS[row.mark] || ""}` : "not told apart"),
  ];
  return [
    h("h3", { class: "part" }, `Differences to ${data.run}`),
    parts.length ? h("p", { class: "note" }, note) : null,
    ...folded(parts, (name, metrics) => {
      const lines = (some, title) => table(title, ["run", "metric", ...countHeads("difference", "p"), ""],
        some.flatMap((metric) => rows.filter((row) => row.metric === metric.name).map((row) => line(row, metric))));
      const more = metrics.slice(COLUMNS);
      return [lines(metrics.slice(0, COLUMNS), `Differences to ${data.run}: ${name}`),
        more.length ? h("details", { class: "part" }, h("summary", {}, `${whole(more.length)} more of ${name}`), lines(more, `More differences to ${data.run}: ${name}`)) : null];
    }),
    ...problems.map((problem) => h("p", { class: "note" }, problem)),
  ];
}

/** Ready tables, folded, each with its notes. */
const readyTables = (parts, open) => parts.map((part) => h("details", { class: "part", open: open || null },
  h("summary", {}, part.title),
  table(part.title, part.head, part.rows.map(([name, ...cells]) => [rowHead(name), ...cells]), { class: "printed" }),
  h("ul", { class: "notes" }, part.notes.map((text) => h("li", {}, text)))));

/** What the task's challenge asks for, of this run. */
function challengeTables(data) {
  if (!data.challenge.length) return null;
  return section("challenge", "What the challenge asks for", "", ...readyTables(data.challenge, true));
}

/** Tables of other people's numbers beside this run's, each with its notes. */
function publishedTables(data) {
  if (!data.published.length) return null;
  return section("published", "Beside published results", "Rows and columns that say (published) were printed by their authors, not measured here.",
    ...readyTables(data.published, false));
}

function scoreCell(value, metric, axis) {
  if (!value) return h("td", {}, MISSING);
  return h("td", { class: "scored" }, h("span", {}, withInterval(value)), hasAxis(metric) ? track(value, ...axis, metric.title) : null);
}

function slices(data, columns) {
  if (data.slices.length < 2) return null;
  return section("by-slice", "By slice", "",
    ...folded(byPart(data.metrics.filter((metric) => data.slices.some((row) => row.scores[metric.name]))),
      (name, metrics) => {
        const shown = metrics.slice(0, COLUMNS);
        const axes = shown.map((metric) => axisOf(metric, data.slices));
        const head = ["slice", ...scoreHeads(shown, axes), ...countHeads("n", "groups", "unparsed", "errors")];
        const rows = data.slices.map((row) => [
          rowHead(sliceLink(row.slice, columns)),
          ...shown.map((metric, place) => scoreCell(row.scores[metric.name], metric, axes[place])),
          ...[row.n, row.groups, row.unparsed, row.errors].map((count) => h("td", { class: "number" }, whole(count))),
        ]);
        return [table(`Scores by slice: ${name}`, head, rows, { class: "scores" }), linesOf(name, metrics, data.slices.map((row) => [row.slice, row]))];
      }));
}

/** A slice (`tier=high`, `tier=high,language=en`) as a link to its samples, or as text where it is not on offer. */
function sliceLink(name, columns) {
  const values = new Map(columns.slices.map((column) => [column.name, new Set(column.values.map(([value]) => value))]));
  const filter = {};
  // A comma parts only before the name of a further slice: values may hold commas themselves.
  for (const part of name.split(/,(?=[^,=]+=)/)) {
    const at = part.indexOf("=");
    const [key, value] = [part.slice(0, at), part.slice(at + 1)];
    if (at < 1 || !values.get(key)?.has(value)) return name;
    filter[`s.${key}`] = value;
  }
  return find(filter, name, "show these samples");
}

function confusion(data) {
  if (!data.confusion.length) return null;
  const box = h("div", {});
  const draw = (shares) => box.replaceChildren(confusionTable(data, shares));
  const choice = (text, shares) => h("label", {},
    h("input", { type: "radio", name: "cells", checked: shares, onchange: () => draw(shares) }), text);
  draw(true);
  return section("confusion", "Confusion", "Rows are gold, columns are answers; each cell leads to its samples. Shares and shades are of the row.",
    h("fieldset", { class: "choice" }, h("legend", { class: "unseen" }, "Cells show"), choice("share of the row", true), choice("count", false)),
    box);
}

function confusionTable(data, shares) {
  const names = [...data.labels, "no answer"];
  const head = ["gold", ...names, "n"].map((name, place) =>
    h("th", { scope: "col", class: place ? "turn" : null }, h("span", {}, name)));
  const rows = data.confusion.map((counts, gold) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    const cells = counts.map((count, given) => {
      const share = total ? count / total : 0;
      const what = `gold ${data.labels[gold]}, answered ${names[given]}: ${whole(count)} of ${whole(total)} (${percent(share)})`;
      const kind = gold === given ? "cell hit" : "cell";
      const text = shares ? (count ? (100 * share).toFixed(0) : "·") : count ? whole(count) : "·";
      const filter = { gold: data.labels[gold], given: given < data.labels.length ? data.labels[given] : NO_ANSWER };
      return h("td", { class: kind, vars: { "--share": `${(100 * share).toFixed(1)}%` } },
        count ? h("a", { href: samplesWith(filter), title: what, "aria-label": what }, text) : h("span", { title: what }, text));
    });
    return [rowHead(data.labels[gold]), ...cells, h("td", { class: "number" }, whole(total))];
  });
  return table(shares ? "Confusion matrix, percent of each gold label" : "Confusion matrix, counts", head, rows, { class: "confusion" });
}

function classes(data) {
  if (!data.classes.length) return null;
  return section("classes", "Per class", "", classTable("Precision, recall and F1 of each class", data.classes, true));
}

function classTable(caption, scores, links) {
  const count = (filter, number) => h("td", { class: "number" }, links ? find(filter, whole(number)) : whole(number));
  const rows = scores.map((row) => [
    rowHead(row.label),
    ...[["precision", "one"], ["recall", "two"], ["f1", "three"]].map(([name, kind]) =>
      h("td", { class: "barred" }, bar(row[name], score(row[name], 2), kind))),
    count({ gold: row.label }, row.gold), count({ given: row.label }, row.answered),
  ]);
  return table(caption, ["class", "precision", "recall", "F1", ...countHeads("gold", "answered")], rows, { class: "classes" });
}

function labelSets(data) {
  if (!data.sets.length) return null;
  const box = h("div", {});
  const draw = (part) => box.replaceChildren(classTable(`Precision, recall and F1 of each label; gold are ${part.gold}`, part.rows, false));
  draw(data.sets[0]);
  return section("labels", "Per label of the set", "",
    h("fieldset", { class: "choice" }, h("legend", { class: "unseen" }, "Gold are"), data.sets.map((part, place) =>
      h("label", {}, h("input", { type: "radio", name: "gold-labels", checked: !place, onchange: () => draw(part) }), `gold: ${part.gold}`))),
    box);
}

function reliability(data) {
  if (!data.calibration.length) return null;
  const figures = data.calibration.flatMap((diagram) => [
    h("figure", {},
      h("figcaption", {}, h("h3", {}, capital(diagram.title)),
        h("p", {}, `ECE ${score(diagram.ece)} · mean confidence ${score(diagram.confidence)} · accuracy ${score(diagram.accuracy)}`),
        h("p", {}, plural(diagram.n, "answer") + (diagram.missing ? `; ${whole(diagram.missing)} more gave no confidence` : ""))),
      reliabilityDiagram(diagram)),
    diagram.curve.length > 1 ? h("figure", {},
      h("figcaption", {}, h("h3", {}, `Risk and coverage: ${diagram.title}`),
        h("p", {}, "share of errors among the most confident answers"), h("p", {}, `of all: ${percent(diagram.curve.at(-1)[1])}`)),
      riskDiagram(diagram)) : null,
  ]);
  return section("reliability", "Is its confidence to be trusted?",
    "Bars: the share that is right in each bin of confidence. A dot below the dashed line is overconfident, above it underconfident. ECE: bins of equal width.",
    h("div", { class: "figures" }, figures), ...temperature(data));
}

function temperature(data) {
  if (!data.temperature) return [];
  const number = (value) => h("td", { class: "number" }, score(value));
  return [
    h("h3", { class: "part" }, `Label probabilities at temperature ${score(data.temperature.value)}`),
    h("p", { class: "note" }, data.temperature.note),
    table("Scores before and after temperature scaling", ["metric", ...countHeads("before", "after")],
      data.temperature.rows.map(([title, before, after]) => [rowHead(title), number(before), number(after)])),
  ];
}

const KINDS = ["valid", "repaired", "again", "unreadable", "failed"];

function reading(data) {
  const total = data.outcomes.reduce((sum, row) => sum + row[1], 0);
  const rows = data.outcomes.flatMap(([name, count, reasons], place) => count ? [
    [rowHead(h("span", { class: `swatch ${KINDS[place]}` }), find({ tag: `outcome:${name}` }, name)),
      h("td", { class: "number" }, whole(count)), h("td", { class: "number" }, percent(count / total))],
    ...reasons.map(([reason, many]) => [
      h("th", { scope: "row", class: "inner" }, find({ tag: `unreadable:${reason}` }, reason.replaceAll("_", " "))),
      h("td", { class: "number" }, whole(many)), h("td", { class: "number" }, percent(many / total))]),
  ] : []);
  const repairs = data.repairs.map(([name, count]) => [
    rowHead(find({ tag: `repair:${name}` }, name.replaceAll("_", " "))),
    h("td", { class: "number" }, whole(count)), h("td", { class: "number" }, percent(count / total))]);
  return section("reading", "How the replies were read", "",
    stacked(data.outcomes.map(([name, count], place) => [name, count, KINDS[place]]), "How the replies were read"),
    h("div", { class: "pair" },
      table("Outcomes of reading", ["outcome", ...countHeads("replies", "share")], rows),
      repairs.length ? table("Repairs by name", ["repair", ...countHeads("replies", "share")], repairs) : h("p", { class: "note" }, "No reply was repaired.")));
}

function failures(data) {
  if (!data.errors.length) return null;
  const rows = data.errors.map((row) => [
    h("td", { class: "number" }, find({ tag: `error:${row.group}` }, whole(row.count))),
    h("td", { class: "message" }, row.first),
    find({ id: row.id }, row.id),
  ]);
  return section("errors", "Failed requests", "By cause: messages that differ in ids, files and numbers alone are counted as one.",
    table("Failed requests by cause", [...countHeads("requests"), "first message", "first sample"], rows));
}

function feeding(data) {
  const { fed } = data;
  if (!fed.n) return null;
  const lost = (count, what) => h("li", { class: count ? "warn" : null },
    count ? find({ tag: `fed:no ${what} tokens` }, `${whole(count)} of ${plural(fed.n, "request")} carried no ${what} tokens`) : `every request carried ${what} tokens`);
  return section("fed", "What was fed", `Of ${plural(fed.n, "answered request")}; bars count requests.`,
    h("ul", { class: "facts" }, lost(fed.silent, "audio"), lost(fed.blind, "video"),
      fed.notes.map(([note, count]) => h("li", {}, find({ tag: `fed:${note}` }, `${note}: ${whole(count)}`)))),
    h("div", { class: "histograms" }, fed.charts.map(histogram)));
}

function settings(data) {
  const groups = Map.groupBy ? Map.groupBy(data.settings, (row) => row[0]) : new Map([["", data.settings]]);
  const tables = [...groups].map(([name, rows]) => {
    const lines = rows.map((row) => [rowHead(row[1] || row[0]), h("td", { class: "message" }, row[2])]);
    return h("details", { open: name === "config" }, h("summary", {}, name === "config" ? "configuration" : name), table(name, null, lines, { class: "settings" }));
  });
  const prompt = data.prompt && h("details", {}, h("summary", {}, "prompt of the first request"), h("pre", {}, data.prompt));
  return section("settings", "Run", "", h("p", { class: "note" }, data.source), ...tables, prompt || null);
}
