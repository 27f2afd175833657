// Words beside a label. A word is put on or taken off at once and moves nowhere; it waits in the outbox as labels do.

const TAGS = { 5: "apoptotic", 6: "cluster" };
const words = (text) => (text ?? "").split(" ").filter(Boolean);

// `line`: the buttons. `send(row, tags)` keeps them.
function createTags(line, send) {
  let latest = new Map(), shown = false;
  const of = (row) => latest.get(row.candidate_id) ?? words(row.own_tags);

  function toggle(row, tag) {
    if (!row || !shown) return;
    const now = of(row);
    send(row, now.includes(tag) ? now.filter((one) => one !== tag) : [...now, tag].sort());
  }

  return {
    of, toggle,
    set(entries, wanted) {
      shown = wanted;
      line.hidden = !shown;
      latest = new Map(entries.map((entry) => [entry.candidate_id, entry.tags]));
    },
    paint(row) {
      for (const button of line.querySelectorAll("button[data-tag]"))
        button.setAttribute("aria-pressed", String(of(row).includes(button.dataset.tag)));
    },
    connect(current) {
      for (const button of line.querySelectorAll("button[data-tag]")) button.onclick = () => toggle(current(), button.dataset.tag);
    },
  };
}
