// One wall of cells and one large view. Only the cards in sight exist; keys never wait for the server.
// Needs outbox.js, cell.js, facts.js, look.js, panels.js, tags.js, reasons.js and changes.js before it.

const KEYS = { 1: "ctc", 2: "non-ctc", 3: "unsure", 4: "artifact" };

const films = (globalThis.ctcFilms ??= new Map());  // filled by film.js: name -> { at: Map(id -> index), crops }
const desks = new WeakMap();

function createDesk(root) {
  const find = (name) => root.querySelector(`.${name}`);
  const wall = find("wall"), space = find("space"), view = find("view"), paintCounts = createStatus(root);
  const cards = new Map();  // row index -> card in sight
  const attend = () => wall.focus({ preventScroll: true });
  const look = createLook(view, () => show());
  const note = createComment(find("note"), (id, text) => annotate(id, text), attend), keyList = createKeyList(find("keys"), attend);
  const clock = createClock(find("clock"), find("over")), reasons = createReasons(view), changes = createChanges(find("ask"), attend);
  const tags = createTags(find("tags"), ({ candidate_id, cartridge_id }, words) => { send({ candidate_id, cartridge_id, tags: words }); show(); });
  let rows = [], at = new Map(), film = null, notes = null, box = null, boxName = "", scope = "", filmName = "", showScore = true, blind = false;
  let focus = null, undo = [], latest = new Map(), refused = new Map(), trouble = "", tagged = false;
  let columns = 1, width = 200, pitch = 100;  // cards side by side, width of one, height of one with its gap

  // What this browser has decided counts at once, else the store's label. `own`: what this reader said alone.
  const decision = (row) => {
    const sent = latest.get(row.candidate_id);
    return sent ? { label: sent.label, own: sent.label, comment: sent.comment, state: "saving" }
      : { label: row.label, own: row.own, comment: row.comment ?? "", state: row.label || row.own ? "saved" : "" };
  };
  const told = (row) => blind && !scored(row) ? [null, ""] : [kind(row), where(row)];  // who shows it tells a score, too
  const undecided = (row) => !decision(row).label && !decision(row).own;  // where readers disagree, there is only an own word
  const scored = (row) => showScore && (!blind || Boolean(decision(row).own));  // blind: nothing before one's own word
  const cropOf = (row) => film?.at.has(row.candidate_id) ? film.crops.get(film.at.get(row.candidate_id)) : null;

  function remember() {
    const sent = [...box.decisions()];
    latest = new Map(sent.filter((entry) => !entry.tags).map((entry) => [entry.candidate_id, entry]));
    for (const [id, entry] of latest) if (!changes.known(id)) changes.note(id, entry.label, entry.made_ms);
    tags.set(sent.filter((entry) => entry.tags), tagged);
  }

  // ---- deciding
  function decide(label) {
    const id = focus;
    if (at.has(id)) explain(rows[at.get(id)], label, (why) => {
      if (!at.has(id)) return;
      replace(rows[at.get(id)], label, notes.get(id) ?? decision(rows[at.get(id)]).comment, why);
      notes.delete(id);
      focus = following(at.get(id));
      show();
    });
  }
  const explain = (row, label, go) => changes.explain({ id: row.candidate_id, own: decision(row).own, label,
    signed: row.signed && !latest.has(row.candidate_id), refused: refused.has(row.candidate_id) }, go);

  function annotate(id, comment) {
    const row = rows[at.get(id)];
    if (!row) return;
    if (decision(row).own) replace(row, decision(row).own, comment); else notes.set(row.candidate_id, comment);
    show();
  }

  function replace(row, label, comment, why) {
    const before = decision(row);
    undo.push({ row, label: before.own ?? null, comment: before.comment });
    submit(row, label, comment, why);
  }

  function undoLast() {
    const last = undo.at(-1), id = last?.row.candidate_id, current = () => rows[at.get(id)] ?? last.row;
    if (at.has(id)) focus = id;
    show();
    if (last) explain(current(), last.label, (why) => {
      undo.splice(undo.indexOf(last), 1);
      if (!last.label) notes.set(id, decision(current()).comment);  // a comment stays for the next decision
      submit(current(), last.label, last.comment, why);
      show();
    });
  }

  function submit(row, label, comment, why) {  // `seen`: nothing is overwritten that this tab did not show
    if (decision(row).own !== label) changes.note(row.candidate_id, label);
    send({ candidate_id: row.candidate_id, cartridge_id: row.cartridge_id, label, comment, seen: decision(row).own ?? "", ...why });
  }

  function send(entry) {
    if (isLeft(filmName, scope)) return;
    refused.delete(entry.candidate_id);
    box.add(entry);
    remember();
  }

  const following = (index) => rows[next(index, rows.length, (k) => undecided(rows[k]))].candidate_id;
  const skip = () => { changes.close(); if (rows.length) focus = following(at.get(focus) ?? -1); show(); };
  const comment = () => at.has(focus) && note.open(focus, notes.get(focus) ?? decision(rows[at.get(focus)]).comment);

  function move(by) {
    changes.close();  // it was about the cell that is left
    const index = Math.max(0, Math.min(rows.length - 1, (at.get(focus) ?? 0) + by));
    if (rows.length) focus = rows[index].candidate_id;
    show();
  }

  // ---- drawing
  function show() {
    scrollToFocus();
    redraw();
  }

  function redraw() { paint(); paintView(); paintStatus(); }

  function scrollToFocus() {
    measure();  // the wall can only scroll as far as it is high
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

  const measure = () => { ({ columns, width, pitch } = layOut(space, rows.length)); };

  function newCard() {
    const card = find("card-template").content.firstElementChild.cloneNode(true);
    card.onclick = () => { focus = card.dataset.id; changes.close(); attend(); show(); };
    space.append(card);
    return card;
  }

  function fill(card, row, i) {
    const { label, state } = decision(row), crop = cropOf(row), mine = row.candidate_id === focus;
    card.id = `card${i}`;
    card.style.transform = `translate(${(i % columns) * (width + STEP)}px, ${Math.floor(i / columns) * pitch}px)`;
    card.setAttribute("aria-selected", String(mine));
    card.setAttribute("aria-label", spoken(row, i, scored(row)));
    card.className = `card ${mine ? "focused" : ""} ${label ? "decided" : ""}`;
    card.querySelector(".probability").textContent = scored(row) ? percent(row.probability) : "";
    card.querySelector(".words").textContent = tags.of(row).join(", ");
    card.querySelector(".size").textContent = micrometres(row.diameter_um);
    badge(card.querySelector(".group"), ...told(row));
    badge(card.querySelector(".decision"), label, LABELS[label], refused.has(row.candidate_id) ? "refused" : state);
    const drawn = crop ? `${row.candidate_id} ${look.name}` : "";
    if (card.dataset.drawn !== drawn) {
      const canvas = card.querySelector("canvas");
      Object.values(TILES).forEach((tile, k) => crop && look.draw(canvas, crop, tile, k * (PX + GAP)));
      card.dataset.drawn = drawn;
    }
    card.dataset.id = row.candidate_id;
  }

  function paintView() {
    const row = rows[at.get(focus)];
    view.hidden = !row;
    if (!row) return;
    const { label } = decision(row);
    look.show(cropOf(row));
    find("place").textContent = `${at.get(focus) + 1} of ${rows.length}`;
    badge(find("of-group"), ...told(row));
    const about = film?.about(focus) ?? null, showScore = scored(row);
    find("why").textContent = blind && !showScore ? "" : row.why ?? "";
    const known = facts(row, { ...decision(row), problem: refused.get(focus), note: notes.get(focus) }, { scope, showScore, about });
    find("facts").replaceChildren(...known.flatMap(([name, value]) => [term("dt", name), term("dd", value)]));
    reasons.paint(about, !showScore);
    tags.paint(row);
    for (const button of view.querySelectorAll("button[data-label]"))
      button.setAttribute("aria-pressed", String(button.dataset.label === label));
    find("undo").disabled = !undo.length;
  }

  function paintStatus() {
    const decided = rows.filter((row) => !undecided(row)).length, saved = rows.filter((row) => decision(row).state === "saved").length;
    paintCounts({ decided, saved, of: rows.length, box, trouble, refused });
  }

  // ---- input
  const actions = {
    ...look.actions,
    ArrowLeft: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => move(-columns), ArrowDown: () => move(columns),
    Home: () => move(-rows.length), End: () => move(rows.length), Escape: () => keyList.close(),
    u: undoLast, n: skip, c: comment, "?": () => keyList.toggle(),
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !rows.length || isLeft(filmName, scope) || !meant(event, root)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const current = () => rows[at.get(focus)];
    const action = KEYS[key] ? () => decide(KEYS[key]) : TAGS[key] ? () => tags.toggle(current(), TAGS[key]) : actions[key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key.length > 1 || !event.repeat) action();  // a key held down decides once
  }

  const onFilm = () => { film = films.get(filmName) ?? null; for (const card of cards.values()) card.dataset.drawn = "?"; redraw(); };
  const resized = new ResizeObserver(() => show());  // also when the wall gets its size after its cells
  resized.observe(wall);
  wall.onscroll = paint;
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("ctc-film", onFilm);
  for (const button of view.querySelectorAll("button[data-label]")) button.onclick = () => decide(button.dataset.label);
  tags.connect(() => rows[at.get(focus)]);
  for (const [name, act] of [["undo", undoLast], ["comment", comment], ["help", keyList.toggle]]) find(name).onclick = act;

  return {
    update(data, send, drained) {
      if (boxName !== data.outbox) { box?.close(); box = openOutbox(data.outbox); notes = openNotes(data.outbox); boxName = data.outbox; }
      if (scope !== data.scope) { scope = data.scope; undo = []; focus = null; wall.scrollTop = 0; changes.close(); }
      ({ show_score: showScore, blind, tagged } = data);
      clock.set(data.clock);
      changes.set(data.sitting_ms);
      rows = rowsOf(data.rows);
      at = new Map(rows.map((row, i) => [row.candidate_id, i]));
      refused = new Map(Object.entries(data.refused).map(([, { candidate_id, reason }]) => [candidate_id, reason]));
      trouble = data.trouble;
      box.settle([...data.acknowledged, ...Object.keys(data.refused)]);
      box.connect(send);
      if (data.closing && !box.size) drained();
      remember();
      filmName = data.film;
      film = films.get(filmName) ?? null;
      if (at.has(focus)) return redraw();
      focus = (rows.find(undecided) ?? rows[0])?.candidate_id ?? null;
      show();
    },
    close() {
      resized.disconnect();
      clock.stop();
      document.removeEventListener("keydown", onKey, true);
      document.removeEventListener("ctc-film", onFilm);
      box?.close();
    },
  };
}

export default function ({ parentElement, data, setTriggerValue }) {
  if (!desks.has(parentElement)) desks.set(parentElement, createDesk(parentElement));
  const desk = desks.get(parentElement);
  desk.update(data, (batch) => setTriggerValue("decisions", batch), () => setTriggerValue("drained", true));
  return () => { desk.close(); desks.delete(parentElement); };
}
