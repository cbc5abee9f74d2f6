// Timelines as pictures: lanes of utterances, the strip of agreement, a time axis; and their export as SVG and PNG.
//
// A picture is drawn for a stretch of time and a width. Colours are presentation attributes: `var(--e3)` on the page,
// where the theme decides, and the colour itself in a file.

const HUES = 7; // --e0 … --e6 in timeline.css, then from the first again
const AXIS = 24, HEAD = 18, TURNS = 12, TALL = 62, LOW = 34, STRIP = 14, GAP = 10;
const FEW = 300; // so many pieces are drawn one by one; more share out the pixels, but in files
const PIXELS = 2; // width of a share
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const AGREED = [
  { name: "same label", colour: "blue" }, { name: "other label", colour: "red" },
  { name: "only gold", colour: "orange" }, { name: "only answered", colour: "purple" },
];
const SAME = 0, OTHER = 1, ONLY_GOLD = 2;

/** A time as m:ss or h:mm:ss, with `digits` of the second. */
function clock(seconds, digits = 0) {
  const ticks = Math.round(seconds * 10 ** digits);
  const unit = 10 ** digits;
  const [all, rest] = [Math.floor(ticks / unit), digits ? `.${String(ticks % unit).padStart(digits, "0")}` : ""];
  const [hours, minutes] = [Math.floor(all / 3600), Math.floor(all / 60) % 60];
  const tail = `${String(all % 60).padStart(2, "0")}${rest}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** The letters of a text count for so many px at the size of the lanes; Chinese ones are twice as wide. */
const widthOf = (text) => [...text].reduce((sum, letter) => sum + (letter > "\u2e80" ? 11.5 : 6.4), 0);

/** What a file may hold: XML has no place for control characters and halves of letters. */
const plainXml = (text) => String(text).replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd");

/** Where everything lies from top to bottom: {rows, height}; a row is an axis, a lane or the strip. */
function layoutOf(data) {
  const rows = [];
  let y = AXIS;
  data.lanes.forEach((lane, place) => {
    const height = lane.who === "other" ? LOW : TALL;
    rows.push({ kind: "lane", lane, place, top: y, y: y + HEAD + TURNS, height });
    y += HEAD + TURNS + height + GAP;
    if (lane.who === "gold" && data.strip) {
      rows.push({ kind: "strip", top: y, y, height: STRIP });
      y += STRIP + GAP - 4;
    }
  });
  return { rows, height: y };
}

const seenIn = (pieces, { from, to }) => pieces.filter((piece) => piece.end >= from && piece.start <= to);

/** How long each code lasts in each of the shares that are PIXELS wide, and its levels: {count, step, times, levels}. */
function sharesOf(pieces, { from, to, width }, codes) {
  const count = Math.ceil(width / PIXELS);
  const step = (to - from) / count;
  const times = new Float64Array(count * codes);
  const levels = new Float64Array(count * codes);
  for (const { start, end, code, level } of pieces) {
    const last = Math.min(count - 1, Math.floor((end - from) / step));
    for (let share = Math.max(0, Math.floor((start - from) / step)); share <= last; share += 1) {
      const time = Math.max(0, Math.min(end, from + (share + 1) * step) - Math.max(start, from + share * step));
      times[share * codes + code] += time;
      levels[share * codes + code] += time * (level ?? 3);
    }
  }
  return { count, step, times, levels };
}

/** Pieces in sight; where they are too many, in each share the label that lasts longest, at its mean level. */
function inSight(pieces, view, codes) {
  const seen = seenIn(pieces, view);
  if (seen.length <= view.few) return seen;
  const { count, step, times, levels } = sharesOf(seen, view, codes);
  const found = [];
  for (let share = 0; share < count; share += 1) {
    const mine = times.subarray(share * codes, (share + 1) * codes);
    const code = mine.indexOf(Math.max(...mine));
    if (mine[code] <= step * 0.1) continue;
    const start = view.from + share * step;
    const level = Math.round(levels[share * codes + code] / mine[code]);
    const before = found.at(-1);
    if (before && before.end > start - step / 2 && before.code === code && before.level === level) before.end = start + step;
    else found.push({ start, end: start + step, code, level });
  }
  return found;
}

/** What an utterance is, in a line. */
function wordsOf(item) {
  const level = item.intensity ? `, intensity ${item.intensity} of 5` : "";
  const more = item.secondary?.length ? ` (${item.secondary.join(", ")})` : "";
  const spoken = [item.speaker, textOf(item)].filter(Boolean).join(": ");
  return `${clock(item.start, 1)} to ${clock(item.end, 1)} · ${item.primary || "no label"}${level}${more}${spoken ? ` · ${spoken}` : ""}`;
}

const textOf = (item) => [item.transcript_zh, item.transcript_en].filter(Boolean).join(" / ");

function laneParts(row, view, labels) {
  const { lane, y, height } = row;
  const { x, paint, width } = view;
  const base = Math.min(18, height / 2);
  const tall = (level) => base + ((level ?? 3) - 1) * (height - base) / 4; // no intensity: the middle
  const pieces = lane.utterances.map((item) => ({ start: item.start, end: item.end, code: codeOf(item.primary, labels), level: item.intensity, item }));
  const parts = [svg("rect", { x: 0, y, width, height, fill: paint("raised") })];
  for (const { start, end, code, level, item } of inSight(pieces, view, labels.length + 1)) {
    const [left, right] = [Math.max(-2, x(start)), Math.min(width + 2, x(end))];
    const [wide, high] = [Math.max(1, right - left), tall(level)];
    const named = code < labels.length;
    const box = { x: left.toFixed(2), y: (y + height - high).toFixed(2), width: wide.toFixed(2), height: high.toFixed(2) };
    const block = svg("rect", { ...box, fill: named ? paint(`e${code % HUES}`) : paint("ground"), stroke: paint(named ? "ground" : "dim"), "stroke-width": wide > 3 ? 1 : 0, "stroke-dasharray": item && !item.intensity ? "3 3" : null });
    parts.push(!item ? block : svg("g", { class: "segment" }, block, svg("title", {}, plainXml(wordsOf(item))),
      segmentText(named ? labels[code] : "?", Math.max(0, left), Math.min(width, right), y + height - 5, named ? paint(`i${code % HUES}`) : paint("ink"))));
  }
  if (lane.silent || !lane.utterances.length) {
    parts.push(svg("text", { x: 8, y: y + height / 2 + 4, fill: paint("dim") }, lane.silent ? "no readable answer" : "no utterances"));
  }
  return parts;
}

const codeOf = (label, labels) => (labels.includes(label) ? labels.indexOf(label) : labels.length);

/** The label of a segment where it has room, whole or its first letters. */
function segmentText(label, left, right, y, fill) {
  const room = right - left - 8;
  const short = widthOf(label) <= room ? label : widthOf(label.slice(0, 3)) <= room ? label.slice(0, 3) : "";
  return short ? svg("text", { x: (left + 4).toFixed(2), y, fill }, plainXml(short)) : null;
}

/** Turning points: a triangle each, filled where gold and answer both turn there; none where they would be a blur. */
function markParts(row, view) {
  const beside = row.lane.who === "gold" ? "answered" : "in gold";
  const seen = row.lane.turns.filter(([time]) => time >= view.from && time <= view.to);
  if (seen.length * 9 > view.width) return svg("text", { x: view.width - 4, y: row.y - 5, fill: view.paint("dim"), "text-anchor": "end" }, "zoom in to see the turning points");
  return seen.map(([time, before, after, shared]) => svg("path",
    { class: "turn", d: `M${(view.x(time) - 4.5).toFixed(1)} ${row.y - TURNS + 2}h9l-4.5 8z`, fill: view.paint(shared ? "ink" : "ground"), stroke: view.paint("ink"), "stroke-width": 1.2 },
    svg("title", {}, plainXml(`${clock(time, 1)}: from ${before} to ${after}, ${shared ? "" : "not "}${beside} within 1 s`))));
}

/** The strip: whole where labels are the same, parted where they are not, above or below where only one has a label.
    Where stretches are too many, what each takes of a share. */
function stripParts(row, view, strip) {
  const seen = seenIn(strip.map(([start, end, code]) => ({ start, end, code })), view);
  if (seen.length > view.few) return stackedParts(row, view, sharesOf(seen, view, AGREED.length));
  const half = (STRIP - 3) / 2;
  return seen.map(({ start, end, code }) => {
    const [left, right] = [Math.max(0, view.x(start)), Math.min(view.width, view.x(end))];
    const bars = { [SAME]: [[0, STRIP]], [OTHER]: [[0, half], [STRIP - half, half]], [ONLY_GOLD]: [[0, half]] }[code] || [[STRIP - half, half]];
    return svg("g", { class: "agreed" }, svg("title", {}, `${clock(start, 1)} to ${clock(end, 1)}: ${AGREED[code].name}`),
      bars.map(([down, high]) => svg("rect", { x: left.toFixed(2), y: row.y + down, width: Math.max(0.8, right - left).toFixed(2), height: high, fill: view.paint(AGREED[code].colour) })));
  });
}

/** One outline for each of the four, from the bottom up. */
function stackedParts(row, view, { count, step, times }) {
  const outlines = AGREED.map(() => "");
  for (let share = 0; share < count; share += 1) {
    let y = row.y + STRIP;
    for (let code = 0; code < AGREED.length; code += 1) {
      const high = (STRIP * times[share * AGREED.length + code]) / step;
      if (high < 0.05) continue;
      y -= high;
      outlines[code] += `M${(share * PIXELS).toFixed(1)} ${y.toFixed(2)}h${PIXELS}v${high.toFixed(2)}h-${PIXELS}z`;
    }
  }
  return outlines.map((d, code) => d && svg("path", { class: "agreed", d, fill: view.paint(AGREED[code].colour) }));
}

function axisParts(view, height) {
  const { from, to, x, paint, width } = view;
  const digitsOf = (step) => (step < 1 ? 1 : 0);
  const step = STEPS.find((each) => each * width / (to - from) >= widthOf(clock(to, digitsOf(each))) + 26) || STEPS.at(-1);
  const parts = [];
  for (let number = Math.ceil(from / step); number * step <= to; number += 1) {
    const at = x(number * step);
    const text = clock(number * step, digitsOf(step));
    parts.push(svg("line", { x1: at, x2: at, y1: 4, y2: height, stroke: paint("line") }));
    if (at + 4 + widthOf(text) <= width) parts.push(svg("text", { x: at + 4, y: 14, fill: paint("dim") }, text));
  }
  return parts;
}

/** Who a lane is, and how much it holds. */
function laneTitle(lane, run) {
  const name = { gold: "Gold", run, other: lane.name }[lane.who];
  return `${name} · ${plural(lane.utterances.length, "utterance")} · ${plural(lane.turns.length, "turning point")}`;
}

/** The picture of the stretch `from`…`to` (seconds) at a width in px. `paint(name)` gives a colour. */
function drawLanes(data, { from, to, width, paint, few = FEW }) {
  const { rows, height } = layoutOf(data);
  const view = { from, to, width, paint, few, x: (time) => ((time - from) * width) / (to - from) };
  const parts = rows.map((row) => (row.kind === "strip" ? stripParts(row, view, data.strip)
    : [svg("text", { x: 2, y: row.top + 12, fill: paint("ink"), "font-weight": 600 }, plainXml(laneTitle(row.lane, data.run))), laneParts(row, view, data.labels), markParts(row, view)]));
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "font-family": "system-ui, sans-serif", "font-size": 11, "aria-hidden": "true" }, axisParts(view, height), parts);
}

// --- export

const EXPORT_WIDTH = 1600;

/** The colours of the page as they are now, by name. */
function colours() {
  const probe = h("span", { hidden: true });
  document.body.append(probe);
  const found = new Map();
  const read = (name) => {
    probe.style.setProperty("color", `var(--${name})`);
    return getComputedStyle(probe).color;
  };
  return { paint: (name) => found.get(name) ?? found.set(name, read(name)).get(name), done: () => probe.remove() };
}

/** A stretch of the picture as a file of its own: title, picture, legend; colours and fonts are written out. */
function exportSvg(data, from, to) {
  const { paint, done } = colours();
  const inner = drawLanes(data, { from, to, width: EXPORT_WIDTH - 40, paint, few: Infinity });
  const tall = Number(inner.getAttribute("height"));
  inner.setAttribute("x", 20);
  inner.setAttribute("y", 40);
  let [at, down] = [20, tall + 52];
  const key = (colour, text) => {
    if (at + widthOf(text) + 34 > EXPORT_WIDTH) [at, down] = [20, down + 20];
    const place = at;
    at += widthOf(text) + 34;
    return [svg("rect", { x: place, y: down, width: 12, height: 12, fill: paint(colour) }), svg("text", { x: place + 17, y: down + 10, fill: paint("ink") }, plainXml(text))];
  };
  const legend = [...data.labels.map((label, code) => key(`e${code % HUES}`, label)), ...(data.strip ? AGREED.map((each) => key(each.colour, each.name)) : [])];
  const height = down + 26;
  const whole = svg("svg", { viewBox: `0 0 ${EXPORT_WIDTH} ${height}`, width: EXPORT_WIDTH, height, "font-family": "system-ui, sans-serif", "font-size": 11 },
    svg("title", {}, plainXml(`${data.title}, ${clock(from)} to ${clock(to)}`)),
    svg("rect", { width: EXPORT_WIDTH, height, fill: paint("ground") }),
    svg("text", { x: 20, y: 24, fill: paint("ink"), "font-size": 14, "font-weight": 600 }, plainXml(data.title)), inner, legend);
  done();
  return new XMLSerializer().serializeToString(whole);
}

/** The picture of an SVG text, twice as large, as a promise of a Blob. */
function toPng(text) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => {
      const canvas = h("canvas", { width: 2 * image.naturalWidth, height: 2 * image.naturalHeight });
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large"))), "image/png");
    };
    image.onerror = () => reject(new Error("the picture cannot be drawn"));
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`; // what the policy admits
  });
}

function download(blob, name) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
