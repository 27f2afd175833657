// Why an earlier decision is changed. What this page decided a moment ago is corrected without a question; anything
// older, or part of a signed report, is changed once a reason is given: one key more.

const WHYS = ["Looked again", "Wrong key", "Discussed it", "Learned more"];

// `form` asks. `done()` gives the keys back to the cells.
function createChanges(form, done) {
  const input = form.querySelector("input"), question = form.querySelector(".question"), buttons = form.querySelector(".whys");
  const made = new Map();  // candidate id -> what this page has said of it, and when
  let sitting = 0, go = null;

  const close = () => { if (!form.hidden) { form.hidden = true; go = null; done(); } };
  const answer = (why) => { const then = go; close(); if (why) then?.({ why }); };
  WHYS.forEach((why, i) => {
    const button = Object.assign(term("button", why), { type: "button", onclick: () => answer(why) });
    button.prepend(term("kbd", i + 1));
    buttons.append(button);
  });
  form.onsubmit = (event) => { event.preventDefault(); answer(input.value.trim()); };
  form.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") return close();
    const preset = input.value ? undefined : WHYS[Number(event.key) - 1];
    if (!preset) return;
    event.preventDefault();
    answer(preset);
  };

  function sinceOwn({ id, own, signed, refused }) {  // seconds; null: not said on this page a moment ago
    const last = made.get(id), ms = Date.now() - (last?.at ?? 0);
    return last && last.label === own && !signed && !refused && ms < sitting ? ms / 1000 : null;
  }

  return {
    close,
    // `change`: id of the cell, own label that stands, label to come, whether the own one stands in a signed report, and
    // whether the store has refused a decision on this cell.
    explain(change, then) {
      const after_s = sinceOwn(change);
      close();
      if (!change.own || change.own === change.label) return then({});
      if (after_s !== null) return then({ after_s });
      go = then;
      question.textContent = `Why ${change.label ? `${LABELS[change.label]} instead of` : "take back"} ${LABELS[change.own]}?${change.signed ? " It stands in a signed report." : ""}`;
      input.value = "";
      form.hidden = false;
      input.focus();
    },
    note(id, label, at = Date.now()) { made.set(id, { label, at }); },
    known: (id) => made.has(id),
    set(longest) { sitting = longest; },
  };
}
