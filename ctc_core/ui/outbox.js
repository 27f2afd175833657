// Decisions wait here until the server has read them back from the store and says so.
// One localStorage entry per decision: tabs never overwrite each other, a reload or a dead server loses nothing, and
// sending twice is harmless because the server knows every decision by the id made here.

const PAUSE_MS = 150;    // decisions made in quick succession travel together
const RESEND_MS = 3000;  // no answer by then: the same decisions are sent again
const BATCH = 200;

function newId() {       // crypto.randomUUID exists on https and localhost only
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

// Comments on cells that are not decided yet: they wait here through reloads, and go with the decision.
function openNotes(name) {
  const place = (id) => `ctc-note:${name}:${id}`, spare = new Map();  // where the browser keeps nothing
  return {
    get(id) { try { return localStorage.getItem(place(id)) ?? undefined; } catch { return spare.get(id); } },
    set(id, text) { try { localStorage.setItem(place(id), text); } catch { spare.set(id, text); } },
    delete(id) { try { localStorage.removeItem(place(id)); } catch { spare.delete(id); } },
  };
}

function openOutbox(name) {
  const prefix = `ctc-outbox:${name}:`;
  const waiting = new Map();  // id -> decision, in the order in which they were made
  let flying = new Set();     // ids sent and not yet answered
  let send = null, timer = 0, durable = true, made = 0;

  function keep(decision) {
    try { localStorage.setItem(prefix + decision.id, JSON.stringify(decision)); } catch { durable = false; }
  }

  function forget(id) {
    waiting.delete(id);
    flying.delete(id);
    try { localStorage.removeItem(prefix + id); } catch { durable = false; }
  }

  function restore() {
    try {
      const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix));
      const found = keys.map((key) => JSON.parse(localStorage.getItem(key)));
      found.sort((a, b) => a.made_ms - b.made_ms || a.made - b.made);
      for (const decision of found) waiting.set(decision.id, decision);
    } catch { durable = false; }
  }

  function flush() {
    clearTimeout(timer);
    timer = 0;
    if (!waiting.size || !send) return;
    const batch = [...waiting.values()].slice(0, BATCH);
    flying = new Set(batch.map((decision) => decision.id));
    timer = setTimeout(flush, RESEND_MS);
    send(batch);
  }

  function soon() {
    if (flying.size) return;  // one batch at a time keeps their order
    clearTimeout(timer);
    timer = setTimeout(flush, PAUSE_MS);
  }

  restore();
  return {
    get size() { return waiting.size; },
    get durable() { return durable; },
    decisions: () => waiting.values(),
    add(decision) {
      const entry = { ...decision, id: newId(), made_ms: Date.now(), made: made++ };
      waiting.set(entry.id, entry);
      keep(entry);
      soon();
    },
    settle(ids) {
      ids.forEach(forget);
      if (waiting.size) soon(); else clearTimeout(timer);
    },
    connect(sender) {
      const first = !send;
      send = sender;
      if (first && waiting.size) soon();
    },
    close() { clearTimeout(timer); send = null; },
  };
}
