// One wall of cells and one large view. Only the cards in sight exist; keys never wait for the server.
// Needs outbox.js and cell.js before it.

const CARD_MIN = 200, STEP = 8;  // CSS pixels
const KEYS = { 1: "ctc", 2: "non-ctc", 3: "unsure", 4: "artifact" };

const films = (globalThis.ctcFilms ??= new Map());  // filled by film.js: name -> { at: Map(id -> index), crops }
const desks = new WeakMap();

function rowsOf(table) {
  const columns = table.schema.fields.map(({ name }) => [name, table.getChild(name)]);
  return Array.from({ length: table.numRows }, (_, i) =>
    Object.fromEntries(columns.map(([name, values]) => [name, values.get(i)])));
}

// -------------------------------------------------------------------------------------------------------- desk
function createDesk(root) {
  const find = (name) => root.querySelector(`.${name}`);
  const wall = find("wall"), space = find("space"), view = find("view"), status = find("status");
  const cards = new Map();  // row index -> card in sight
  let rows = [], at = new Map(), film = null, box = null, boxName = "", scope = "", filmName = "";
  let own = true, focus = null, undo = [], latest = new Map(), refused = new Map(), trouble = "";
  let columns = 1, width = CARD_MIN, pitch = 100;  // cards side by side, width of one, height of one with its gap

  // What this browser has decided counts at once; the store's label counts where nothing is waiting.
  const decision = (row) => {
    const own = latest.get(row.candidate_id);
    return own ? { label: own.label, state: "saving" } : { label: row.label, state: row.label ? "saved" : "" };
  };
  const undecided = (row) => !decision(row).label;
  const cropOf = (row) => film?.at.has(row.candidate_id) ? film.crops.get(film.at.get(row.candidate_id)) : null;

  function remember() {
    latest = new Map();
    for (const entry of box.decisions()) latest.set(entry.candidate_id, entry);
  }

  // ---- deciding
  function decide(label) {
    const row = rows[at.get(focus)];
    if (!row) return;
    undo.push({ id: focus, label: decision(row).label ?? null });
    submit(row.candidate_id, label);
    focus = following(at.get(focus));
    show();
  }

  function undoLast() {
    const last = undo.pop();
    if (!last) return;
    submit(last.id, last.label);
    if (at.has(last.id)) focus = last.id;
    show();
  }

  function submit(candidate_id, label) {
    refused.delete(candidate_id);
    box.add({ candidate_id, cartridge_id: scope, label });
    remember();
  }

  function following(index) {  // the next undecided one, from the top again after the last; else simply the next
    const order = [...rows.keys()].map((k) => (index + 1 + k) % rows.length);
    return rows[order.find((k) => undecided(rows[k])) ?? Math.min(index + 1, rows.length - 1)].candidate_id;
  }

  function changeBrightness() {
    own = !own;
    find("brightness").textContent = own ? "each cell by itself" : "as in the frame";
    show();
  }

  function move(by) {
    const index = Math.max(0, Math.min(rows.length - 1, (at.get(focus) ?? 0) + by));
    if (rows.length) focus = rows[index].candidate_id;
    show();
  }

  // ---- drawing
  function show() {
    scrollToFocus();
    paint();
    paintView();
    paintStatus();
  }

  function scrollToFocus() {
    const top = Math.floor((at.get(focus) ?? 0) / columns) * pitch;
    if (top < wall.scrollTop) wall.scrollTop = top;
    if (top + pitch - wall.clientHeight > wall.scrollTop) wall.scrollTop = top + pitch - wall.clientHeight;
  }

  function paint() {
    measure();
    const first = Math.max(0, Math.floor(wall.scrollTop / pitch) - 1) * columns;
    const last = Math.min(rows.length, first + (Math.ceil(wall.clientHeight / pitch) + 3) * columns);
    const spare = [];
    for (const [i, card] of cards) if (i < first || i >= last) { cards.delete(i); spare.push(card); }
    for (let i = first; i < last; i++) {
      if (!cards.has(i)) cards.set(i, spare.pop() ?? newCard());
      fill(cards.get(i), rows[i], i);
    }
    spare.forEach((card) => card.remove());
    wall.setAttribute("aria-activedescendant", at.has(focus) ? `card${at.get(focus)}` : "");
  }

  function measure() {
    columns = Math.max(1, Math.floor((space.clientWidth + STEP) / (CARD_MIN + STEP)));
    width = (space.clientWidth + STEP) / columns - STEP;
    const pictures = (width - 12) * PX / TILES_W;
    pitch = pictures + 50 + STEP;
    space.style.cssText = `height: ${Math.ceil(rows.length / columns) * pitch}px; --width: ${width}px; --pictures: ${pictures}px`;
  }

  function newCard() {
    const card = find("card-template").content.firstElementChild.cloneNode(true);
    card.onclick = () => { focus = card.dataset.id; wall.focus({ preventScroll: true }); show(); };
    space.append(card);
    return card;
  }

  function fill(card, row, i) {
    const { label, state } = decision(row), crop = cropOf(row), mine = row.candidate_id === focus;
    card.id = `card${i}`;
    card.style.transform = `translate(${(i % columns) * (width + STEP)}px, ${Math.floor(i / columns) * pitch}px)`;
    card.setAttribute("aria-selected", String(mine));
    card.setAttribute("aria-label", spoken(row, i));
    card.className = `card ${mine ? "focused" : ""} ${label ? "decided" : ""}`;
    card.querySelector(".probability").textContent = percent(row.probability);
    card.querySelector(".size").textContent = micrometres(row.diameter_um);
    badge(card.querySelector(".group"), row.group, GROUPS[row.group]);
    badge(card.querySelector(".decision"), label, LABELS[label], refused.has(row.candidate_id) ? "refused" : state);
    const drawn = crop ? `${row.candidate_id} ${own}` : "";
    if (card.dataset.drawn !== drawn) {
      Object.keys(TILES).forEach((tile, k) => crop && drawTile(card.querySelector("canvas"), crop, tile, k * (PX + GAP), own));
      card.dataset.drawn = drawn;
    }
    card.dataset.id = row.candidate_id;
  }

  function paintView() {
    const row = rows[at.get(focus)];
    view.hidden = !row;
    if (!row) return;
    const { label, state } = decision(row), crop = cropOf(row), problem = refused.get(row.candidate_id);
    if (crop) for (const tile of Object.keys(TILES)) drawTile(view.querySelector(`.${tile} canvas`), crop, tile, 0, own);
    find("place").textContent = `${at.get(focus) + 1} of ${rows.length}`;
    badge(find("of-group"), row.group, GROUPS[row.group]);
    const facts = {
      "P(CTC)": row.probability === null ? "not scored" : row.probability.toFixed(2),
      Diameter: micrometres(row.diameter_um),
      "Mean DAPI, CK, CD45": [row.dapi_mean, row.ck_mean, row.cd45_mean].map(whole).join(", "),
      "Frame, y, x": `${row.frame}, ${whole(row.y)}, ${whole(row.x)}`,
      CellSearch: row.assigned === null ? "not shown" : row.assigned ? "shown, assigned as CTC" : "shown, not assigned",
      Decision: problem ?? (label ? `${LABELS[label]}, ${state}${state === "saved" ? ` (${row.reader})` : ""}` : "none yet"),
    };
    find("facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [term("dt", name), term("dd", value)]));
    for (const button of view.querySelectorAll("button[data-label]"))
      button.setAttribute("aria-pressed", String(button.dataset.label === label));
    find("undo").disabled = !undo.length;
  }

  function paintStatus() {
    const waiting = box?.size ?? 0, decided = rows.filter((row) => !undecided(row)).length;
    find("progress").textContent = `${decided} of ${rows.length} decided`;
    const warning = trouble ? `Not saved yet, trying again: ${trouble}`
      : box && !box.durable ? "This browser keeps nothing: leave the page open until all is saved" : "";
    const text = waiting ? `Saving ${waiting}. ${warning}`
      : refused.size ? `Not saved: ${refused.size}. ${[...refused.values()].at(-1)}` : decided ? "All decisions saved" : "";
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("waiting", waiting + refused.size > 0);
  }

  // ---- input
  const actions = {
    ArrowLeft: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => move(-columns), ArrowDown: () => move(columns),
    Home: () => move(-rows.length), End: () => move(rows.length), u: undoLast, U: undoLast,
    b: changeBrightness, B: changeBrightness,
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !rows.length || !meant(event)) return;
    const label = KEYS[event.key], action = label ? () => decide(label) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    const moves = event.key.length > 1;
    if (moves || !event.repeat) action();  // a key held down decides once
  }

  // Keys count inside this component, and outside it where nothing else has a use for them.
  function meant(event) {
    const path = event.composedPath(), host = root.host ?? root;
    if (path.includes(root)) return true;
    const busy = "input, textarea, select, [contenteditable], [role=slider], [role=dialog], [role=listbox], [role=combobox]";
    const moved = event.key in KEYS || "ubUB".includes(event.key) ? busy : `${busy}, button, a, [tabindex]`;
    return !path.some((node) => node instanceof Element && !node.contains(host) && node.matches(moved));
  }

  const onFilm = () => { film = films.get(filmName) ?? null; for (const card of cards.values()) card.dataset.drawn = "?"; paint(); paintView(); };
  const resized = new ResizeObserver(() => { paint(); });
  resized.observe(wall);
  wall.onscroll = paint;
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("ctc-film", onFilm);
  for (const button of view.querySelectorAll("button[data-label]")) button.onclick = () => decide(button.dataset.label);
  find("undo").onclick = undoLast;
  find("brightness").onclick = changeBrightness;

  return {
    update(data, send) {
      if (boxName !== data.outbox) { box?.close(); box = openOutbox(data.outbox); boxName = data.outbox; }
      if (scope !== data.cartridge_id) { scope = data.cartridge_id; undo = []; focus = null; wall.scrollTop = 0; }
      rows = rowsOf(data.rows);
      at = new Map(rows.map((row, i) => [row.candidate_id, i]));
      refused = new Map(Object.entries(data.refused).map(([, { candidate_id, reason }]) => [candidate_id, reason]));
      trouble = data.trouble;
      box.settle([...data.acknowledged, ...Object.keys(data.refused)]);
      box.connect(send);
      remember();
      filmName = data.film;
      film = films.get(filmName) ?? null;
      if (at.has(focus)) { paint(); paintView(); paintStatus(); return; }
      focus = (rows.find(undecided) ?? rows[0])?.candidate_id ?? null;
      show();
    },
    close() {
      resized.disconnect();
      document.removeEventListener("keydown", onKey, true);
      document.removeEventListener("ctc-film", onFilm);
      box?.close();
    },
  };
}

export default function ({ parentElement, data, setTriggerValue }) {
  if (!desks.has(parentElement)) desks.set(parentElement, createDesk(parentElement));
  const desk = desks.get(parentElement);
  desk.update(data, (batch) => setTriggerValue("decisions", batch));
  return () => { desk.close(); desks.delete(parentElement); };
}
