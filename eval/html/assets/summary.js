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
    headline, comparison, slices, confusion, classes, reliability, reading, failures, feeding, settings,
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

function headline(data) {
  const [run] = data.runs;
  const cards = data.metrics.filter((metric) => run.scores[metric.name]).map((metric, place) => {
    const value = run.scores[metric.name];
    return h("li", { class: place ? null : "first" },
      h("h3", { title: metric.source }, metric.title),
      h("p", { class: "big" }, score(value[0])),
      hasAxis(metric) ? track(value, ...bounds(metric), metric.title) : null,
      h("p", { class: "range" }, value[1] === null ? "no interval: one group only" : `95%: ${score(value[1])} to ${score(value[2])}`));
  });
  const counts = `${plural(run.n, "sample")} with gold; ${whole(run.unparsed)} without a readable answer and ` +
    `${plural(run.errors, "failed request")} are among them and count as wrong. `;
  const how = run.groups > 1
    ? `Intervals: 95%, percentile bootstrap that resamples ${plural(run.groups, "group")} (by “${data.group}”).`
    : "All samples are of one group: there are no intervals.";
  return section("scores", "Scores", counts + how, h("ul", { class: "cards" }, cards));
}

function comparison(data) {
  const published = data.published || [];
  if (data.runs.length + published.length < 2) return null;
  const metrics = data.metrics.filter((metric) =>
    [...data.runs, ...published].filter((run) => run.scores[metric.name]).length > 1);
  const row = (run, kind) => [
    h("th", { scope: "row", class: kind }, h("strong", {}, run.name), h("small", {}, run.note || run.model)),
    ...metrics.map((metric, place) => scoreCell(run.scores[metric.name], metric, axes[place])),
    h("td", { class: "number" }, run.n ? whole(run.n) : MISSING),
    h("td", { class: "number" }, kind === "published" ? MISSING : whole(run.unparsed)),
    h("td", { class: "number" }, kind === "published" ? MISSING : whole(run.errors)),
  ];
  const axes = metrics.map((metric) => axisOf(metric, [...data.runs, ...published]));
  const head = ["run", ...scoreHeads(metrics, axes), ...countHeads("n", "unparsed", "errors")];
  const others = new Set(data.runs.map((run) => run.task)).size > 1;
  return section("comparison", "Side by side",
    others ? "The runs are not all of one task: their scores are not comparable." : "",
    table("Scores of the runs side by side", head, [
      ...data.runs.map((run, place) => row(run, place ? "" : "own")),
      ...published.map((run) => row(run, "published")),
    ], { class: "scores" }),
    published.length ? h("p", { class: "note" }, data.publishedNote || "Published rows were printed by their authors; they were not measured here.") : null,
    differences(data));
}

/** Paired differences to the first run, where eval/html/summary.py gives them. */
function differences(data) {
  if (!(data.differences || []).length) return null;
  const rows = data.differences.map((row) => [
    rowHead(row.run), row.title, h("td", { class: "number" }, withInterval(row.value)),
    h("td", { class: "number" }, row.p === null ? MISSING : row.p < 0.001 ? "< 0.001" : row.p.toFixed(3)),
    row.sure ? h("td", {}, h("span", { class: "chip sure" }, "differs")) : "not told apart",
  ]);
  return [
    h("h3", {}, `Differences to ${data.run}`),
    h("p", { class: "note" }, data.differencesNote || ""),
    table("Paired differences between the runs", ["run", "metric", ...countHeads("difference", "p"), ""], rows),
  ];
}

function scoreCell(value, metric, axis) {
  if (!value) return h("td", {}, MISSING);
  return h("td", { class: "scored" }, h("span", {}, withInterval(value)), hasAxis(metric) ? track(value, ...axis, metric.title) : null);
}

function slices(data, columns) {
  if (data.slices.length < 2) return null;
  const metrics = data.metrics.filter((metric) => data.slices.some((row) => row.scores[metric.name]));
  const axes = metrics.map((metric) => axisOf(metric, data.slices));
  const rows = data.slices.map((row) => {
    const at = row.slice.indexOf("=");
    const name = row.slice.slice(0, at);
    const known = at > 0 && columns.slices.some((column) => column.name === name);
    return [
      rowHead(known ? find({ [`s.${name}`]: row.slice.slice(at + 1) }, row.slice, "show these samples") : row.slice),
      ...metrics.map((metric, place) => scoreCell(row.scores[metric.name], metric, axes[place])),
      ...[row.n, row.groups, row.unparsed, row.errors].map((count) => h("td", { class: "number" }, whole(count))),
    ];
  });
  return section("by-slice", "By slice", "",
    table("Scores by slice", ["slice", ...scoreHeads(metrics, axes), ...countHeads("n", "groups", "unparsed", "errors")], rows, { class: "scores" }));
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
      // From this share on the shade is dark enough for light text to be read on it (4.5:1), see --cell in page.css.
      const kind = `cell${share > 0.7 ? " deep" : ""}${gold === given ? " hit" : ""}`;
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
  const rows = data.classes.map((row) => [
    rowHead(row.label),
    ...[["precision", "one"], ["recall", "two"], ["f1", "three"]].map(([name, kind]) =>
      h("td", { class: "barred" }, bar(row[name], score(row[name], 2), kind))),
    h("td", { class: "number" }, find({ gold: row.label }, whole(row.gold))),
    h("td", { class: "number" }, find({ given: row.label }, whole(row.answered))),
  ]);
  return section("classes", "Per class", "",
    table("Precision, recall and F1 of each class", ["class", "precision", "recall", "F1", ...countHeads("gold", "answered")], rows, { class: "classes" }));
}

function reliability(data) {
  if (!data.calibration.length) return null;
  const figures = data.calibration.map((diagram) => h("figure", {},
    h("figcaption", {}, h("h3", {}, diagram.title[0].toUpperCase() + diagram.title.slice(1)),
      h("p", {}, `ECE ${score(diagram.ece)} · mean confidence ${score(diagram.confidence)} · accuracy ${score(diagram.accuracy)}`),
      h("p", {}, plural(diagram.n, "answer") + (diagram.missing ? `; ${whole(diagram.missing)} more gave no confidence` : ""))),
    reliabilityDiagram(diagram)));
  return section("reliability", "Is its confidence to be trusted?",
    "Bars: the share that is right in each tenth of confidence. A dot below the dashed line is overconfident, above it underconfident. ECE: ten bins of equal width.",
    h("div", { class: "figures" }, figures));
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
