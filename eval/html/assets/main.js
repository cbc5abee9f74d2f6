// Start, address, keys and theme.
//
// The address holds the whole state: `#report`, or `#samples?gold=Joy&right=wrong&id=clip_17`. Reading through a list
// replaces the entry in the history; opening a sample or changing the view adds one, so that "back" closes it.

const THEMES = ["system", "dark", "light"];

function startTheme() {
  const show = (name) => {
    document.documentElement.dataset.theme = name;
    $("theme").textContent = { system: "◐ system", dark: "● dark", light: "○ light" }[name];
    $("theme").setAttribute("aria-label", `Colours: ${name}. Change`);
  };
  const stored = memory.get("theme");
  show(THEMES.includes(stored) ? stored : "system");
  $("theme").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    memory.set("theme", next);
    show(next);
  });
}

/** The state that an address names; null for an address that is none of ours (the skip link). */
function readAddress(text) {
  const [view, query] = [text.replace(/^#/, "").split("?", 1)[0] || "report", text.slice(text.indexOf("?") + 1)];
  if (view !== "report" && view !== "samples") return null;
  const found = Object.fromEntries(text.includes("?") ? new URLSearchParams(query) : []);
  const { id = null, ...filter } = found;
  return { view, id, filter };
}

function writeAddress(state, push) {
  const query = new URLSearchParams({ ...state.filter, ...(state.id === null ? {} : { id: state.id }) }).toString();
  const address = `#${state.view}${query && state.view === "samples" ? `?${query}` : ""}`;
  if (address === location.hash) return;
  history[push ? "pushState" : "replaceState"](null, "", address);
}

function start() {
  startTheme();
  const summary = block("data-summary");
  const columns = block("data-columns");
  const places = new Map(columns.ids.map((id, index) => [id, index]));
  $("task").textContent = summary.task;
  $("about").textContent = [summary.model, summary.run, summary.finished.replace("T", " ").replace(/Z$/, " UTC")].filter(Boolean).join(" · ");
  $("to-samples").append(h("span", { class: "many" }, whole(columns.count)));
  document.title = `${summary.task} · ${summary.run} · omnimer`;
  drawReport(summary, columns);

  let state = { view: "report", id: null, filter: {} };
  let lastTop = 0; // where the report was read, to come back to
  const list = sampleList(columns, (index) => choose(index, true), () => {
    state = { ...state, filter: readFilters() };
    list.apply(state.filter);
    if (list.current >= 0) list.select(list.current);
    writeAddress(state, false);
  });

  function show(next) {
    if (state.view === "report" && next.view === "samples") lastTop = window.scrollY;
    const moved = next.view !== state.view;
    state = next;
    const reading = state.view === "samples";
    $("view-report").hidden = reading;
    $("view-samples").hidden = !reading;
    document.body.classList.toggle("browsing", reading);
    $("to-report").toggleAttribute("aria-current", !reading);
    $("to-samples").toggleAttribute("aria-current", reading);
    if (reading) {
      writeFilters(state.filter);
      list.apply(state.filter);
      drawCurrent();
    } else {
      stopClip();
      if (moved) window.scrollTo(0, lastTop);
    }
  }

  function drawCurrent() {
    const index = state.id === null ? -1 : places.get(state.id) ?? -1;
    document.body.classList.toggle("open", index >= 0);
    list.select(index);
    if (index < 0) {
      stopClip();
      const unknown = state.id !== null && `No sample has the id ${state.id}.`;
      $("sample").replaceChildren(h("p", { class: "empty" }, unknown || "Choose a sample from the list, or press j."));
    } else drawSample(index, list, summary, step, close);
  }

  function stopClip() {
    const player = $("sample").querySelector("video, audio");
    if (player) player.pause();
  }

  function choose(index, push) {
    state = { ...state, id: columns.ids[index] };
    writeAddress(state, push && !document.body.classList.contains("open"));
    drawCurrent();
  }

  function step(by) {
    const place = list.shown.indexOf(list.current);
    const next = list.shown[place < 0 ? 0 : place + by];
    if (next !== undefined) choose(next, true);
  }

  function close() {
    state = { ...state, id: null };
    writeAddress(state, false);
    drawCurrent();
    $("list").focus({ preventScroll: true });
  }

  const follow = () => {
    const next = readAddress(location.hash);
    if (next) show(next);
  };
  window.addEventListener("popstate", follow);
  document.addEventListener("omnimer:base", () => state.view === "samples" && drawCurrent());
  document.addEventListener("keydown", (event) => keys(event, { step, close, isOpen: () => state.id !== null, isReading: () => state.view === "samples" }));
  show(readAddress(location.hash) || state);
  document.body.classList.add("ready");
}

const TYPING = "input, textarea, select";

function keys(event, { step, close, isOpen, isReading }) {
  if (!isReading() || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.target instanceof Element ? event.target : document.body;
  const typing = at.closest(TYPING);
  // Arrows scroll what they are used in: a sample, a player, a wide table. In the list and elsewhere they choose.
  const ownArrows = typing || at.closest("#sample, video, audio");
  const player = $("sample").querySelector("video, audio");
  const acts = {
    j: !typing && (() => step(1)),
    k: !typing && (() => step(-1)),
    ArrowDown: !ownArrows && (() => step(1)),
    ArrowUp: !ownArrows && (() => step(-1)),
    "/": !typing && (() => $("q").select()),
    Escape: typing && at.closest("#filters") ? () => at.blur() : isOpen() && close,
    " ": !at.closest(`${TYPING}, button, a, summary, video, audio`) && player && (() => (player.paused ? player.play().catch(() => {}) : player.pause())),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

start();
