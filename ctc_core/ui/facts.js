// What is known of one cell, in words. Needs cell.js before it.

function rowsOf(table) {
  const columns = table.schema.fields.map(({ name }) => [name, table.getChild(name)]);
  return Array.from({ length: table.numRows }, (_, i) =>
    Object.fromEntries(columns.map(([name, values]) => [name, values.get(i)])));
}

const kind = (row) => row.group ?? (row.cluster ? "cluster" : null);
const where = (row) => GROUPS[row.group] ?? row.cluster;

function spoken(row, i, showScore) {
  return [`Cell ${i + 1}`, where(row), showScore ? percent(row.probability) : null, `frame ${row.frame}`].filter(Boolean).join(", ");
}

// [name, value] of what the large view lists. `decision`: label, comment, state, problem, note.
function facts(row, decision, { scope, showScore }) {
  const { label, comment, state, problem, note } = decision;
  const reader = state === "saved" && row.reader ? ` (${row.reader})` : "";
  const cellsearch = row.assigned ? "shown, assigned as CTC" : row.assigned === null ? "not shown" : "shown, not assigned";
  return Object.entries({
    "P(CTC)": !showScore ? null : row.probability === null ? "not scored" : row.probability.toFixed(2),
    Diameter: micrometres(row.diameter_um),
    "Mean DAPI, CK, CD45": [row.dapi_mean, row.ck_mean, row.cd45_mean].map(whole).join(", "),
    "Frame, y, x": `${row.frame}, ${whole(row.y)}, ${whole(row.x)}`,
    Cartridge: row.cartridge_id === scope ? null : row.cartridge_id,
    CellSearch: row.group === null ? null : cellsearch,
    Decision: problem ?? (label ? `${LABELS[label]}, ${state}${reader}` : row.reader ?? "none yet"),
    Comment: note ? `${note} (saved with the decision)` : comment || null,
  }).filter(([, value]) => value !== null);
}
