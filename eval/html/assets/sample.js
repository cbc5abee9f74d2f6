// One sample: clip, transcript, gold with its votes, the answer, and everything that led to it.

const LEGAL = new Set(["http:", "https:", "file:"]);

/** Why an address cannot be the place of the clips, or "" when it can. "" itself stands for beside the report. */
function wrongBase(text) {
  if (!text) return "";
  try {
    return LEGAL.has(new URL(text, document.baseURI).protocol) ? "" : "has to start with http://, https:// or file://, or be a relative path";
  } catch {
    return "is no address";
  }
}

/** The address of a clip, or null when it would leave the legal schemes. `tail` comes percent-encoded from the build. */
function clipAddress(medium, base) {
  const address = new URL(`${base.replace(/\/*$/, "/")}${medium.tail}`, document.baseURI);
  if (!LEGAL.has(address.protocol)) return null;
  if (medium.start !== null || medium.end !== null) address.hash = `t=${medium.start ?? 0}${medium.end === null ? "" : `,${medium.end}`}`;
  return address.href;
}

/** Where the clips are looked for: what the reader gave and is legal, else the folder seen from the report. */
function clipBase(media) {
  const own = memory.get(`base:${media.folder}`) || "";
  return own && !wrongBase(own) ? own : media.base;
}

function drawSample(index, list, summary, step, close) {
  const { columns, rows } = list;
  const row = rows.row(index);
  const place = list.shown.indexOf(index);
  const right = isRight(columns, index);
  const tags = columns.tags[index].map((code) => columns.tagTable[code]);
  const [mark, word] = statusOf(columns, index, right, tags);
  const head = h("header", {},
    h("span", { class: `mark ${word}`, "aria-hidden": "true" }, mark),
    h("div", { class: "grow" }, h("h3", { id: "sample-id" }, columns.ids[index]),
      h("p", { class: "dim" }, `${word} · ${place < 0 ? "not in the list" : `${whole(place + 1)} of ${whole(list.shown.length)}`}`)),
    h("div", { class: "steps" },
      h("button", { type: "button", onclick: () => step(-1), disabled: place <= 0, "aria-label": "Previous sample", title: "previous (k)" }, "↑"),
      h("button", { type: "button", onclick: () => step(1), disabled: place >= list.shown.length - 1, "aria-label": "Next sample", title: "next (j)" }, "↓"),
      h("button", { type: "button", onclick: close, "aria-label": "Close the sample", title: "close (Esc)" }, "✕")));
  const old = $("sample").querySelector("video, audio");
  if (old) old.removeAttribute("src"); // or it goes on loading
  if (stage) stage.close();
  stage = null;
  const parts = [
    head,
    row.timeline ? timedParts(columns, index, row, summary) : plainParts(columns, index, row, summary),
    row.timeline ? null : othersPart(columns, index),
    distribution(columns, index, row),
    replyPart(row),
    fedPart(row),
    metaPart(columns, row),
  ];
  $("sample").replaceChildren(...parts.flat(Infinity).filter(Boolean));
  $("sample").scrollTop = 0;
}

/** Clip and text, beside them gold and answer. */
function plainParts(columns, index, row, summary) {
  const numbers = numbersPart(columns, row);
  return [
    h("div", { class: "lead" },
      h("div", {}, clips(row, summary.media), transcript(row)),
      h("div", { class: "answers" }, numbers && row.gold ? null : goldPart(columns, index, row), answerPart(columns, index, row, summary))),
    numbers, optionsPart(columns, row),
  ];
}

/** Clip, transcript and lanes that share one time; below, what is said of this moment and of the whole clip. */
function timedParts(columns, index, row, summary) {
  const shown = row.media && summary.media ? clips(row, summary.media) : null;
  const player = shown && shown.querySelector("video, audio");
  stage = timelineStage(timelineData(columns, index, row, summary), player, row.media?.[0].start ?? 0);
  return [
    h("div", { class: shown ? "timed" : "timed bare" }, shown, stage.lanes, stage.words),
    stage.moment,
    transcript(row),
    h("div", { class: "pair answers" }, goldPart(columns, index, row), answerPart(columns, index, row, summary)),
    stage.list,
  ];
}

// --- the clip

function clips(row, media) {
  if (!row.media || !media) return h("p", { class: "note" }, "This sample has no media.");
  const base = clipBase(media);
  return h("div", { class: "clips" }, row.media.map((medium) => clip(medium, base, media)));
}

function clip(medium, base, media) {
  const address = clipAddress(medium, base);
  const name = decodedTail(medium.tail);
  const trouble = h("div", { class: "trouble", hidden: true },
    h("p", {}, "The clip does not load."), whereForm(media));
  const player = address && h(medium.kind === "audio" ? "audio" : "video", {
    controls: true, preload: "metadata", playsinline: true, src: address, "aria-label": `Clip ${name}`,
    onerror: () => { trouble.hidden = false; },
  });
  return h("figure", { class: "clip" }, player, trouble,
    h("figcaption", {}, h("span", { class: "file" }, name), medium.start !== null || medium.end !== null ? ` ${medium.start ?? 0} s to ${medium.end ?? "the end"}` : null,
      " ", address && h("a", { href: address, target: "_blank", rel: "noopener" }, "open"), " ",
      h("details", { class: "where" }, h("summary", {}, "clips elsewhere?"), whereForm(media))));
}

function decodedTail(tail) {
  try {
    return decodeURIComponent(tail);
  } catch {
    return tail; // a file name that is no UTF-8
  }
}

/** The form that says where the clips are: remembered, used for every clip of this folder. */
function whereForm(media) {
  const problem = h("span", { class: "problem", role: "alert" });
  const input = h("input", { type: "text", value: memory.get(`base:${media.folder}`) || "", placeholder: "http://localhost:8000/", spellcheck: "false", inputmode: "url" });
  const form = h("form", {
    class: "place",
    onsubmit: (event) => {
      event.preventDefault();
      const wrong = wrongBase(input.value.trim());
      problem.textContent = wrong && `This ${wrong}.`;
      if (wrong) return;
      memory.set(`base:${media.folder}`, input.value.trim());
      document.dispatchEvent(new Event("omnimer:base"));
    },
  },
    h("p", {}, "Serve the folder ", h("code", {}, media.folder), " (say, ", h("code", {}, "python -m http.server"), " in it) and give its address; empty means: where they lay when the report was made."),
    h("label", {}, "Address of that folder ", input), h("button", { type: "submit" }, "Use"), problem);
  return form;
}

function transcript(row) {
  return [
    row.context && h("div", { class: "context" }, h("h4", {}, "Before it"), row.context.map((line) => h("p", { dir: "auto" }, line))),
    row.text && h("blockquote", { dir: "auto", lang: languageTag(row.language) }, row.text),
  ];
}

// --- how it came about

function othersPart(columns, index) {
  const rows = columns.others.filter((other) => other.given[index] !== null).map((other) => {
    const names = codesOf(other.given[index]).map((code) => columns.labels[code]).join(", ") || "no answer";
    const hit = columns.single && other.given[index] !== -1 && other.given[index] === columns.gold[index];
    return [rowHead(other.name), h("td", {}, columns.single ? h("span", { class: `verdict ${hit ? "right" : "wrong"}` }, hit ? "✓ " : "✗ ") : null, names)];
  });
  return rows.length ? [h("h4", {}, "Answers of the other runs"), table("Answers of the other runs", null, rows)] : null;
}

function distribution(columns, index, row) {
  if (!row.logprobs) return null;
  const gold = codesOf(columns.gold[index]).map((code) => columns.labels[code]);
  const rows = row.logprobs.map(([label, log]) => [label, Math.exp(log)]).sort((a, b) => b[1] - a[1]);
  return [h("h4", {}, "Label probabilities"),
    h("ul", { class: "bars" }, rows.map(([label, share]) => h("li", {},
      h("span", { class: "name" }, label, gold.includes(label) ? h("small", {}, " gold") : null), bar(share, percent(share), gold.includes(label) ? "goldy" : "plain"))))];
}

function replyPart(row) {
  if (row.parts) return partReplies(row.parts);
  const texts = [row.reply, ...(row.later || [])];
  return texts.map((text, place) => (text === undefined ? null : [
    h("h4", {}, place ? `Raw reply to re-ask ${place}` : "Raw reply", !place && row.finish ? h("small", {}, ` finish: ${row.finish}`, row.usage ? `, ${Object.entries(row.usage).map(([name, count]) => `${whole(count)} ${name.replaceAll("_", " ")}`).join(", ")}` : null) : null),
    h("pre", { dir: "auto", class: "raw" }, text),
  ]));
}

/** The replies to the parts of a clip, folded. */
function partReplies(parts) {
  return [h("h4", {}, "Raw replies"), parts.map((part, place) => h("details", {},
    h("summary", {}, `part ${whole(place + 1)} of ${whole(parts.length)}, ${clock(part.start, 1)} to ${clock(part.end, 1)}`),
    part.replies.map((text, again) => [again ? h("p", { class: "note" }, `Reply to re-ask ${again}`) : null, h("pre", { dir: "auto", class: "raw" }, text)])))];
}

function fedPart(row) {
  if (!row.fed) return null;
  const [frames, fps, seconds, audio, video] = row.fed;
  const facts = [`${plural(frames, "frame")}${frames ? ` at ${fps} a second` : ""}`, `${seconds} s of sound`, `${plural(audio, "audio token")}`, `${plural(video, "video token")}`];
  return [h("h4", {}, "What was fed"), h("p", {}, facts.join(" · "), (row.notes || []).map((note) => h("span", { class: "chip" }, note)))];
}

const LONG = 400; // letters of a fact that stand open

function metaPart(columns, row) {
  const apart = new Set(["votes", "language", ...optionTexts(columns, row).map(([option]) => option)]);
  const entries = Object.entries(row.meta || {}).filter(([key]) => !apart.has(key));
  const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const fact = (text) => (text.length <= LONG ? text : h("details", {}, h("summary", {}, `${text.slice(0, 80)}…`), text));
  return [h("h4", {}, "About the sample"), table("About the sample", null,
    [["language", row.language], ...entries].filter(([, value]) => value !== undefined)
      .map(([key, value]) => [rowHead(key.replaceAll("_", " ")), h("td", { class: "message", dir: "auto" }, fact(plain(value)))]), { class: "settings" })];
}
