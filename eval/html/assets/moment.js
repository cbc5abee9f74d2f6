// What is said in a timeline: the transcript that follows the clip, the utterances of one moment, and all as a table.

/** A label with its colour and, where it is stated, the intensity. */
function emotion(item, labels) {
  const code = codeOf(item.primary, labels);
  return h("span", { class: "emotion" }, code < labels.length ? swatch(code) : null, item.primary || "no label", item.intensity ? h("span", { class: "dim" }, ` ${item.intensity}/5`) : null);
}

const laneName = (lane, data) => ({ gold: "Gold", run: data.run, other: lane.name }[lane.who]);

/** How an utterance stands to its partner: [mark, class, words], or null where there is nothing to compare with. */
function verdictOf(data, lane, place, partners) {
  if (data.main.length < 2 || !data.strip || lane.who === "other") return null;
  const side = lane.who === "gold" ? 0 : 1;
  const [partner, iou] = partners[side].get(place) || [];
  if (partner === undefined) return ["○", "alone", side ? "not in gold" : "not found"];
  const other = data.main[1 - side].utterances[partner];
  const same = other.primary === lane.utterances[place].primary;
  return [same ? "✓" : "✗", same ? "right" : "wrong", `${side ? "gold" : "answered"} ${other.primary || "no label"}, ${clock(other.start, 1)} to ${clock(other.end, 1)}, IoU ${iou.toFixed(2)}`];
}

// --- the transcript

/** The utterances of a lane as a list of lines; the one of this moment is marked and kept in sight. */
function wordsView(data, partners, seek) {
  const filled = data.lanes.filter((lane) => lane.utterances.length);
  let lane = filled.find((each) => each.who === "run") || filled[0] || data.lanes[0];
  let [current, time] = [-1, 0];
  const space = h("div", { class: "space" });
  const box = h("div", { class: "lines", role: "listbox", tabindex: "0", "aria-label": "Transcript" }, space);
  const lazy = lazyRows(box, space, WORDS_ROW, (place) => wordsRow(data, lane, place, partners, place === current));

  function mark(place) {
    current = place;
    for (const [each, element] of lazy.drawn) element.setAttribute("aria-selected", String(each === place));
    if (place < 0) box.removeAttribute("aria-activedescendant");
    else {
      lazy.bring(place);
      box.setAttribute("aria-activedescendant", `said-${place}`);
    }
  }
  function follow(at) {
    time = at;
    const place = placeAt(lane.utterances, time);
    if (place !== current) mark(place);
  }
  const go = (place) => place >= 0 && place < lane.utterances.length && seek(lane.utterances[place].start);
  box.addEventListener("click", (event) => {
    const row = event.target.closest("[role=option]");
    if (row) go(Number(row.dataset.place));
  });
  box.addEventListener("keydown", (event) => {
    const begun = lane.utterances.filter((item) => item.start <= time + LATE).length - 1;
    const act = { ArrowDown: () => go(begun + 1), ArrowUp: () => go(begun - 1), Home: () => go(0), End: () => go(lane.utterances.length - 1), Enter: () => go(begun) }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  const choice = h("select", {
    "aria-label": "Transcript of",
    onchange: () => {
      lane = filled[choice.selectedIndex];
      current = -1;
      lazy.set(lane.utterances.length);
      follow(time);
    },
  }, filled.map((each) => h("option", { selected: each === lane }, laneName(each, data))));
  lazy.set(lane.utterances.length);
  const none = filled.length ? null : h("p", { class: "empty" }, "No utterances.");
  const element = h("section", { class: "spoken", "aria-label": "Transcript" }, h("div", { class: "tools" }, h("h4", {}, "Transcript"), filled.length > 1 ? choice : null), none || box);
  return { element, follow };
}

function wordsRow(data, lane, place, partners, isCurrent) {
  const item = lane.utterances[place];
  const verdict = verdictOf(data, lane, place, partners);
  const spoken = [["zh", item.transcript_zh], ["en", item.transcript_en]].filter(([, text]) => text);
  return h("div", { role: "option", id: `said-${place}`, "data-place": place, "aria-selected": String(isCurrent), "aria-posinset": place + 1, "aria-setsize": lane.utterances.length, class: "said" },
    h("span", { class: "line" }, h("span", { class: "when" }, clock(item.start)), emotion(item, data.labels),
      h("span", { class: "who dim", dir: "auto" }, item.speaker || ""),
      verdict ? h("span", { class: `verdict ${verdict[1]}`, role: "img", "aria-label": verdict[2], title: verdict[2] }, verdict[0]) : null),
    h("span", { class: "text", dir: "auto" }, spoken.length ? spoken.map(([lang, text], at) => [at ? " / " : "", h("span", { lang }, text)]) : h("span", { class: "dim" }, item.evidence || "no transcript")));
}

// --- this moment

function momentBox(data, lane, place, partners) {
  const name = laneName(lane, data);
  const item = lane.utterances[place];
  if (!item) return h("section", { class: "box" }, h("h4", {}, name), h("p", { class: "note" }, lane.silent ? "No readable answer." : "Nothing at this moment."));
  const verdict = verdictOf(data, lane, place, partners);
  const other = verdict && partners[lane.who === "gold" ? 0 : 1].get(place);
  const shared = new Set((other ? data.main[lane.who === "gold" ? 1 : 0].utterances[other[0]].secondary || [] : []).map((label) => label.toLowerCase()));
  const windows = (item.parts || []).map((part) => (data.windows[part] ? `${part + 1} (${clock(data.windows[part].start)} to ${clock(data.windows[part].end)})` : String(part + 1)));
  const { start, end, primary, secondary, intensity, parts, speaker, ...told } = item;
  return h("section", { class: "box" }, h("h4", {}, name, h("small", {}, ` ${clock(start, 1)} to ${clock(end, 1)}`)),
    h("p", { class: "label" }, emotion(item, data.labels)),
    verdict ? h("p", {}, h("span", { class: `verdict ${verdict[1]}` }, `${verdict[0]} `), verdict[2]) : null,
    secondary?.length ? h("p", {}, itemView(secondary, shared)) : null,
    valueView({ ...(speaker ? { speaker } : {}), ...told, ...(windows.length ? { "seen in window": windows.join(", ") } : {}) }, [], new Set()));
}

// --- the table

/** All utterances of all lanes by time as a table, drawn when it is opened, PAGE rows at a time. `all()` opens it. */
function tableView(data, partners) {
  const lines = data.lanes.flatMap((lane) => lane.utterances.map((item, place) => ({ lane, item, place }))).sort((a, b) => a.item.start - b.item.start);
  const frame = table("All utterances by time", ["", "from", "to", "emotion", "intensity", "other labels", "speaker", "said", "compared"], [], { class: "utterances" });
  const body = frame.querySelector("tbody");
  let drawn = 0;
  const more = h("button", { type: "button", hidden: true, onclick: () => add(PAGE) }, "Show more");
  function add(count) {
    for (const { lane, item, place } of lines.slice(drawn, drawn + count)) {
      const verdict = verdictOf(data, lane, place, partners);
      body.append(h("tr", {}, rowHead(laneName(lane, data)), [clock(item.start, 1), clock(item.end, 1), item.primary, item.intensity, (item.secondary || []).join(", "), item.speaker, textOf(item), verdict ? `${verdict[0]} ${verdict[2]}` : ""]
        .map((text) => h("td", { dir: "auto" }, text === undefined ? "" : String(text)))));
    }
    drawn = Math.min(lines.length, drawn + count);
    more.hidden = drawn >= lines.length;
    more.textContent = `Show more (${whole(lines.length - drawn)} left)`;
  }
  const element = h("details", { class: "part", ontoggle: () => element.open && !drawn && add(PAGE) }, h("summary", {}, `All ${plural(lines.length, "utterance")} as a table`), frame, more);
  const all = () => {
    add(lines.length - drawn);
    element.open = true;
  };
  return { element: lines.length ? element : null, all };
}
