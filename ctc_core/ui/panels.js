// What stands and opens beside the cells: how far one is, the comment line, the list of keys, the clock; and which keys
// are meant for us.

// Keys count inside this component, and outside it where nothing else has a use for them.
function meant(event, root) {
  const path = event.composedPath(), host = root.host ?? root;
  if (path[0] instanceof HTMLInputElement || path.some((node) => node instanceof HTMLFormElement)) return false;
  if (path.includes(root)) return true;
  const busy = "textarea, select, [contenteditable], [role=slider], [role=dialog], [role=listbox], [role=combobox]";
  const moved = event.key.length === 1 ? busy : `${busy}, button, a, [tabindex]`;
  return !path.some((node) => node instanceof Element && !node.contains(host) && node.matches(moved));
}

// A comment belongs to the cell it was opened for. Enter keeps it, Esc leaves it as it was.
function createComment(line, keep, done) {
  const input = line.querySelector("input");
  let about = null;
  const close = () => { line.hidden = true; done(); };
  line.onsubmit = (event) => { event.preventDefault(); keep(about, input.value.trim()); close(); };
  input.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") close();
  };
  return { open(id, text) { about = id; line.hidden = false; input.value = text; input.focus(); } };
}

function createKeyList(panel, done) {
  const show = (open) => { panel.hidden = !open; if (open) panel.querySelector("button").focus(); else done(); };
  panel.querySelector("button").onclick = () => show(false);
  return { toggle: () => show(panel.hidden), close() { if (panel.hidden) return false; show(false); return true; } };
}

// The server says when time is up by its own clock, and what that clock shows now.
function createClock(place, over) {
  let ends = null, told = 0, timer = 0;

  function tick() {
    const left = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
    place.textContent = left ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left` : "Time is up";
    place.classList.toggle("over", !left);
    over.hidden = left > 0;
    if (!left) stop();
  }

  function stop() { clearInterval(timer); timer = 0; }

  return {
    set(clock) {
      if (!clock) { stop(); place.textContent = ""; over.hidden = true; told = 0; return; }
      if (clock.now_ms === told) return;
      told = clock.now_ms;
      ends = clock.ends_ms - clock.now_ms + Date.now();
      stop();
      timer = setInterval(tick, 250);
      tick();
    },
    stop,
  };
}

// How many are decided and saved, and what is the matter with those that are not.
function createStatus(root) {
  const [progress, count, status] = ["progress", "count", "status"].map((name) => root.querySelector(`.${name}`));
  return ({ decided, saved, of, box, trouble, refused }) => {
    progress.textContent = `${decided} of ${of} decided`;
    count.textContent = `${saved} saved`;
    const waiting = box?.size ?? 0;
    const warning = trouble ? `Not saved yet, trying again: ${trouble}`
      : box && !box.durable ? "This browser keeps nothing: leave the page open until all is saved" : "";
    const text = waiting ? `Saving ${waiting}. ${warning}`
      : refused.size ? `Not saved: ${refused.size}. ${[...refused.values()].at(-1)}` : decided ? "All decisions saved" : "";
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("waiting", waiting + refused.size > 0);
  };
}

// Cards side by side on the wall, the width of one, and its height with its gap; the wall is made as high as it must be.
const CARD_MIN = 200, STEP = 8;  // CSS pixels

function layOut(space, n) {
  const columns = Math.max(1, Math.floor((space.clientWidth + STEP) / (CARD_MIN + STEP)));
  const width = (space.clientWidth + STEP) / columns - STEP, pictures = (width - 12) * PX / TILES_W, pitch = pictures + 50 + STEP;
  space.style.cssText = `height: ${Math.ceil(n / columns) * pitch}px; --width: ${width}px; --pictures: ${pictures}px`;
  return { columns, width, pitch };
}

// Index of the next of n cells that is open, from the top again after the last; else simply the next.
function next(index, n, open) {
  const order = Array.from({ length: n }, (_, k) => (index + 1 + k) % n);
  return order.find(open) ?? Math.min(index + 1, n - 1);
}

// Whether the page has opened another cartridge meanwhile (opened.js). Its cells take seconds to come; until then those
// of the one before are still on the screen, and no key is meant for them.
function isLeft(gallery, scope) {
  const now = globalThis.ctcOpened?.get(gallery);
  return now !== undefined && now !== scope;
}
