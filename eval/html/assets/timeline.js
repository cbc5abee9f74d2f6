// The timeline of one clip: lanes below the video, the words beside it, what is said of this moment. One time is kept;
// the player, the lanes and the words follow it. Without a clip the time moves by clicks and keys alone.

const NEAREST = 240; // px a second, at most
const WORDS_ROW = 62; // height of a line of the transcript; timeline.css has the same number in --words
const LATE = 0.02; // a player stands a little before the time that it was sent to
const PAGE = 300; // rows of the table that are drawn at once
let stage = null; // the timeline that is open

/** What is drawn of a sample: the data of eval/html/timeline.py with the names that stand beside it. */
function timelineData(columns, index, row, summary) {
  const { lanes, strip, pairs = [], length = null } = row.timeline;
  return {
    lanes, main: lanes.filter((lane) => lane.who !== "other"), strip, pairs, told: length, labels: columns.kind.labels,
    run: summary.run, title: `${summary.run} · ${columns.ids[index]}`, windows: row.parts || [],
  };
}

/** How many seconds are drawn of a clip that is so long (null: not known): utterances may end a little later, but a
    time that is far off must not spoil the axis. */
function lengthOf(lanes, length) {
  const ends = lanes.flatMap((lane) => lane.utterances.map((item) => item.end)).filter((end) => length === null || end <= 1.5 * length);
  return ends.reduce((last, end) => Math.max(last, end), Math.max(length ?? 0, 1));
}

/** The utterance of a lane that holds at a time: of several the one that started last; -1 for none. */
function placeAt(utterances, time) {
  let [low, high] = [0, utterances.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (utterances[middle].start <= time + LATE) low = middle + 1;
    else high = middle;
  }
  for (let place = low - 1; place >= Math.max(0, low - 20); place -= 1) if (utterances[place].end > time + LATE) return place;
  return -1;
}

/** Partners of gold (0) and answered (1) utterances: place -> [place, IoU]. */
function partnersOf(pairs) {
  const found = [new Map(), new Map()];
  for (const [gold, told, iou] of pairs) {
    found[0].set(gold, [told, iou]);
    found[1].set(told, [gold, iou]);
  }
  return found;
}

/**
 * The parts of the page for a timeline. `player` is the clip's element or null; `offset` where in its file the clip
 * starts. Returned: the elements, and `close()` for when another sample is shown.
 */
function timelineStage(data, player, offset) {
  const partners = partnersOf(data.pairs);
  const now = { time: 0, length: lengthOf(data.lanes, data.told) };
  const seek = (time) => {
    now.time = clamp(time, 0, now.length);
    if (player) player.currentTime = offset + now.time;
    follow();
  };
  const lanes = lanesView(data, now, seek);
  const words = wordsView(data, partners, seek);
  const moment = h("div", { class: "pair moment" });
  let shown = "";
  function follow() {
    lanes.follow(player && !player.paused);
    words.follow(now.time);
    const places = data.main.map((lane) => placeAt(lane.utterances, now.time));
    if (shown === places.join()) return;
    shown = places.join();
    moment.replaceChildren(...data.main.map((lane, side) => momentBox(data, lane, places[side], partners)));
  }
  const heard = () => {
    now.time = clamp(player.currentTime - offset, 0, now.length);
    follow();
  };
  const run = () => {
    if (player.paused || !player.isConnected) return;
    heard();
    requestAnimationFrame(run);
  };
  if (player) {
    player.addEventListener("loadedmetadata", () => {
      if (Number.isFinite(player.duration) && data.told === null) lanes.lengthen(lengthOf(data.lanes, player.duration - offset));
    });
    for (const event of ["timeupdate", "seeked", "pause"]) player.addEventListener(event, heard);
    player.addEventListener("play", run);
  }
  const list = tableView(data, partners);
  follow();
  return { lanes: lanes.element, words: words.element, moment, list: list.element, printed: list.all, close: lanes.close };
}

window.addEventListener("beforeprint", () => stage && stage.printed());

// --- lanes

function lanesView(data, now, seek) {
  const { height } = layoutOf(data);
  const head = h("div", { class: "playhead" });
  const view = h("div", { class: "view" });
  const space = h("div", { class: "space" }, view);
  const box = h("div", { class: "lanes", tabindex: "0", role: "slider", "aria-label": "Timeline", "aria-valuemin": "0", "aria-valuemax": now.length.toFixed(1), "aria-describedby": "lanes-keys" }, space);
  const state = { near: 0, width: 0, waiting: 0, second: -1 }; // near: px a second, 0 to fit
  const near = () => Math.max(state.near, state.width / now.length);
  const sight = () => {
    const from = clamp(box.scrollLeft / near(), 0, now.length);
    return { from, to: Math.min(now.length, from + state.width / near()) };
  };

  function draw() {
    state.waiting = 0;
    if (!state.width) return;
    const { from, to } = sight();
    view.replaceChildren(drawLanes(data, { from, to, width: state.width, paint: (name) => `var(--${name})` }), head);
    place();
  }
  const drawSoon = () => { state.waiting ||= requestAnimationFrame(draw); };

  function place() {
    const at = now.time * near() - box.scrollLeft;
    head.style.setProperty("transform", `translateX(${at.toFixed(1)}px)`);
    head.hidden = at < -1 || at > state.width + 1;
  }

  function fit() {
    state.width = box.clientWidth;
    box.setAttribute("aria-valuemax", now.length.toFixed(1));
    space.style.setProperty("width", `${Math.max(state.width, Math.floor(now.length * near()))}px`);
    view.style.setProperty("width", `${state.width}px`);
    view.style.setProperty("height", `${height}px`);
    drawSoon();
  }

  /** `by` times as near; what lies at `at` px of the box stays there. */
  function zoom(by, at = clamp(now.time * near() - box.scrollLeft, 0, state.width)) {
    const time = (box.scrollLeft + at) / near();
    const least = state.width / now.length;
    state.near = by ? clamp(near() * by, least, Math.max(least, NEAREST)) : 0;
    if (state.near <= least * 1.001) state.near = 0;
    fit();
    box.scrollLeft = time * near() - at;
    drawSoon();
  }

  function follow(plays) {
    const at = now.time * near() - box.scrollLeft;
    // While it plays the picture turns over like a page; a jump brings the moment to the middle.
    if (state.width && (at < 0 || at > state.width)) box.scrollLeft += at - state.width * (plays ? 0.05 : 0.5);
    place();
    const second = Math.floor(now.time * 10);
    if (second === state.second) return;
    state.second = second;
    box.setAttribute("aria-valuenow", now.time.toFixed(1));
    box.setAttribute("aria-valuetext", [`${clock(now.time, 1)} of ${clock(now.length)}`, ...data.main.map((lane) => {
      const item = lane.utterances[placeAt(lane.utterances, now.time)];
      return `${lane.who === "gold" ? "gold" : "answer"}: ${item ? `${item.primary || "no label"}${item.intensity ? ` ${item.intensity}` : ""}` : "nothing"}`;
    })].join("; "));
  }

  /** A click on an utterance leads to its start, elsewhere to the moment itself. */
  function click(event) {
    const frame = view.getBoundingClientRect();
    const time = (box.scrollLeft + event.clientX - frame.left) / near();
    const down = event.clientY - frame.top;
    const row = layoutOf(data).rows.find((each) => each.kind === "lane" && down >= each.y && down <= each.y + each.height);
    const item = row && row.lane.utterances[placeAt(row.lane.utterances, time - LATE)];
    seek(item ? item.start : time);
  }

  function keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      ArrowLeft: () => seek(event.shiftKey ? neighbour(data.main, now.time, -1) : now.time - 1),
      ArrowRight: () => seek(event.shiftKey ? neighbour(data.main, now.time, 1) : now.time + 1),
      PageUp: () => seek(now.time - (state.width / near()) * 0.8), PageDown: () => seek(now.time + (state.width / near()) * 0.8),
      Home: () => seek(0), End: () => seek(now.length),
      "+": () => zoom(2), "=": () => zoom(2), "-": () => zoom(0.5), 0: () => zoom(0),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  box.addEventListener("scroll", drawSoon, { passive: true });
  box.addEventListener("click", click);
  box.addEventListener("keydown", keydown);
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.25 : 0.8, event.clientX - view.getBoundingClientRect().left);
  }, { passive: false });
  const watch = new ResizeObserver(() => box.clientWidth !== state.width && fit());
  watch.observe(box);
  const lengthen = (length) => {
    now.length = length;
    fit();
  };
  return { element: lanesFrame(data, box, zoom, sight), follow, lengthen, close: () => watch.disconnect() };
}

/** The next start of an utterance before or after a time, in any of the lanes. */
function neighbour(lanes, time, way) {
  const starts = lanes.flatMap((lane) => lane.utterances.map((item) => item.start)).filter((start) => (way > 0 ? start > time + LATE : start < time - LATE));
  return starts.reduce((best, start) => (Math.abs(start - time) < Math.abs(best - time) ? start : best), starts[0] ?? time);
}

/** The lanes with their buttons, legend and shares of agreement. */
function lanesFrame(data, box, zoom, sight) {
  const problem = h("span", { class: "problem", role: "alert" });
  const name = data.title.replace(/[^\w.-]+/g, "_").slice(0, 100);
  const save = (end) => async () => {
    const text = exportSvg(data, sight().from, sight().to);
    problem.textContent = "";
    try {
      download(end === "svg" ? new Blob([text], { type: "image/svg+xml" }) : await toPng(text), `${name}.${end}`);
    } catch (error) {
      problem.textContent = `No PNG: ${error.message}.`;
    }
  };
  const button = (text, label, onclick) => h("button", { type: "button", "aria-label": label, title: label, onclick }, text);
  return h("section", { class: "timeline", "aria-label": "Timeline of the clip" },
    h("div", { class: "tools" }, h("h4", {}, "Timeline"),
      button("−", "Zoom out (-)", () => zoom(0.5)), button("+", "Zoom in (+)", () => zoom(2)), button("fit", "The whole clip (0)", () => zoom(0)),
      h("span", { class: "grow" }), problem, button("SVG", "Save the part in sight as SVG", save("svg")), button("PNG", "Save the part in sight as PNG", save("png"))),
    box, legend(data),
    h("p", { class: "keys", id: "lanes-keys" }, h("kbd", {}, "←"), " ", h("kbd", {}, "→"), " a second, with ", h("kbd", {}, "shift"), " an utterance; ",
      h("kbd", {}, "+"), " ", h("kbd", {}, "-"), " ", h("kbd", {}, "0"), ` zoom; a click leads there. Taller is more intense; a triangle is a change of emotion${data.strip ? ", filled where gold and answer both have it within 1 s" : ""}.`));
}

function legend(data) {
  const count = (lane, label) => lane.utterances.filter((item) => item.primary === label).length;
  const entries = data.labels.map((label, code) => [label, code, data.main.map((lane) => count(lane, label))]).filter(([, , counts]) => counts.some(Boolean) || data.labels.length <= HUES);
  const times = AGREED.map((_, which) => (data.strip || []).filter(([, , code]) => code === which).reduce((sum, [start, end]) => sum + end - start, 0));
  const all = times.reduce((sum, time) => sum + time, 0);
  return h("div", { class: "legends" },
    h("ul", { class: "legend", "aria-label": data.main.length > 1 ? "Utterances by emotion: gold, answered" : "Utterances by emotion" }, entries.map(([label, code, counts]) => h("li", {},
      swatch(code), label, h("span", { class: "dim" }, ` ${counts.map(whole).join(" · ")}`)))),
    all ? h("ul", { class: "legend agreement", "aria-label": "Share of the time in which gold or answer has a label" }, AGREED.map((each, which) => h("li", {},
      h("span", { class: `sign s${which}` }), each.name, h("span", { class: "dim" }, ` ${percent(times[which] / all, 0)}`)))) : null);
}

const swatch = (code) => h("span", { class: `swatch hue${code % HUES}`, "aria-hidden": "true" });
