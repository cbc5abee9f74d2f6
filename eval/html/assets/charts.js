// Charts. Each says in words what it shows (aria-label, or the table around it); colours are classes in page.css.

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** A score on its axis from `low` to `high`: a dot, and a band from the interval. */
function track([value, from, to], low = 0, high = 1, what = "") {
  if (value === null) return h("span", { class: "track" });
  const place = (number) => `${(100 * clamp((number - low) / (high - low), 0, 1)).toFixed(2)}%`;
  const band = from !== null && h("span", { class: "band", vars: { "--from": place(from), "--to": place(to) } });
  const words = `${what} ${score(value)}` + (from === null ? "" : `, 95% interval ${score(from)} to ${score(to)}`);
  return h("span", { class: "track", role: "img", "aria-label": words.trim() },
    band || null, h("span", { class: "dot", vars: { "--at": place(value) } }));
}

/** A bar of a share in 0…1 after its text. The colour is a class; the text carries the value. */
function bar(share, text, name = "") {
  const width = { "--share": `${(100 * clamp(share || 0, 0, 1)).toFixed(2)}%` };
  return h("span", { class: `bar ${name}` }, h("span", { class: "value" }, text), h("span", { class: "rail" }, h("span", { class: "fill", vars: width })));
}

/** Parts of a whole on one line; `parts` are [name, count, class]. The legend beside it carries the numbers. */
function stacked(parts, label) {
  const total = parts.reduce((sum, part) => sum + part[1], 0) || 1;
  const words = parts.map(([name, count]) => `${name} ${count}`).join(", ");
  return h("div", { class: "stacked", role: "img", "aria-label": `${label}: ${words}` },
    parts.filter((part) => part[1]).map(([name, count, kind]) =>
      h("span", { class: kind, title: `${name}: ${whole(count)}`, vars: { "--share": String(count / total) } })));
}

/** A histogram: bars [low, high, count], and least, middle, greatest value below. */
function histogram(chart) {
  const show = (value) => value.toLocaleString("en-US", { maximumFractionDigits: chart.digits });
  const most = Math.max(...chart.bars.map((row) => row[2]));
  const range = (low, high) => (low === high ? show(low) : `${show(low)} to ${show(high)}`);
  const words = `${chart.title}: least ${show(chart.low)}, median ${show(chart.middle)}, greatest ${show(chart.high)}`;
  const width = 100 / chart.bars.length;
  const bars = chart.bars.map(([low, high, count], place) => {
    // A bin that holds one clip has to be seen.
    const height = count ? Math.max(2, (60 * count) / most) : 0;
    const box = { x: (place + 0.08) * width, width: 0.84 * width, y: 60 - height, height };
    return svg("rect", box, svg("title", {}, `${range(low, high)}: ${whole(count)}`));
  });
  const few = chart.bars.length <= 12 && chart.bars.every(([low, high]) => low === high);
  return h("figure", { class: "histogram" },
    h("figcaption", {}, chart.title, h("span", {}, `median ${show(chart.middle)}`)),
    svg("svg", { viewBox: "0 0 100 60", preserveAspectRatio: "none", role: "img", "aria-label": words }, bars),
    few
      ? h("div", { class: "ticks", "aria-hidden": "true" }, chart.bars.map(([low]) => h("span", {}, show(low))))
      : h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, show(chart.low)), h("span", {}, show(chart.high))));
}

/** The frame of a square diagram over 0…1 x 0…1: grid, ticks, names of the axes. `foot`: px between it and its ticks. */
function square(foot, across, up) {
  const [left, top, size] = [44, 12, 260];
  const x = (value) => left + size * value;
  const y = (value) => top + size * (1 - value);
  const parts = [0, 0.2, 0.4, 0.6, 0.8, 1].flatMap((tick) => [
    svg("line", { class: "grid", x1: x(0), x2: x(1), y1: y(tick), y2: y(tick) }),
    svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tick.toFixed(1)),
    svg("text", { x: x(tick), y: top + size + foot + 18, "text-anchor": "middle" }, tick.toFixed(1)),
  ]);
  parts.push(
    svg("text", { class: "axis", x: x(0.5), y: top + size + foot + 36, "text-anchor": "middle" }, across),
    svg("text", { class: "axis", x: -(top + size / 2), y: 11, transform: "rotate(-90)", "text-anchor": "middle" }, up));
  const draw = (words) => svg("svg", { class: "square", viewBox: `0 0 ${left + size + 14} ${top + size + foot + 42}`, role: "img", "aria-label": words }, parts);
  return { x, y, size, top, parts, draw };
}

/** Accuracy against confidence in bins; below, how many answers each bin holds. */
function reliabilityDiagram(diagram) {
  const foot = 44;
  const frame = square(foot + 14, "confidence", "accuracy");
  const { x, y, size, top, parts } = frame;
  const most = Math.max(...diagram.bins.map((row) => row.n));
  parts.push(svg("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }));
  for (const row of diagram.bins) {
    const width = Math.max(1, size * (row.high - row.low) - 3);
    const words = `confidence ${row.low.toFixed(2)} to ${row.high.toFixed(2)}: ${plural(row.n, "answer")}, ` +
      `mean confidence ${score(row.confidence)}, accuracy ${score(row.accuracy)}`;
    const title = () => svg("title", {}, words);
    const tall = Math.max(1.5, (foot * row.n) / most);
    parts.push(
      svg("rect", { class: "accuracy", x: x(row.low) + 1.5, width, y: y(row.accuracy), height: Math.max(1, size * row.accuracy) }, title()),
      // The dot stands at the mean confidence of the bin: its distance from the diagonal is the miscalibration. Its
      // size is the number of answers, so that a bin of one answer does not look like a finding.
      svg("line", { class: "gap", x1: x(row.confidence), x2: x(row.confidence), y1: y(row.accuracy), y2: y(row.confidence) }),
      svg("circle", { class: "mean", cx: x(row.confidence), cy: y(row.accuracy), r: 2.5 + 4 * Math.sqrt(row.n / most) }, title()),
      svg("rect", { class: "many", x: x(row.low) + 1.5, width, y: top + size + 14 + foot - tall, height: tall }, title()));
  }
  parts.push(svg("text", { class: "axis", x: -(top + size + 14 + foot / 2), y: 30, transform: "rotate(-90)", "text-anchor": "middle" }, "answers"));
  return frame.draw(`Reliability of the ${diagram.title}: expected calibration error ${score(diagram.ece)} over ${plural(diagram.n, "answer")}`);
}

/** The error rate among the most confident answers, as their share grows. */
function riskDiagram(diagram) {
  const frame = square(4, "coverage", "share of errors");
  const points = diagram.curve.map(([coverage, risk]) => `${frame.x(coverage).toFixed(1)},${frame.y(risk).toFixed(1)}`);
  const last = diagram.curve.at(-1);
  frame.parts.push(
    svg("line", { class: "ideal", x1: frame.x(0), x2: frame.x(1), y1: frame.y(last[1]), y2: frame.y(last[1]) }),
    svg("polyline", { class: "curve", points: points.join(" ") }));
  const half = diagram.curve.find(([coverage]) => coverage >= 0.5) || last;
  return frame.draw(`Risk and coverage of the ${diagram.title}: ${percent(half[1])} wrong among the most confident half, ${percent(last[1])} among all`);
}
