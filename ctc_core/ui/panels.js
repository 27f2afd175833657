// What stands and opens beside the cells: how far one is, the comment line, the list of keys, the clock; and which keys
// are meant for us.

// Keys count inside this component, and outside it where nothing else has a use for them.
function meant(event, root) {
  const path = event.composedPath(), host = root.host ?? root;
  if (path[0] instanceof HTMLInputElement) return false;
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
