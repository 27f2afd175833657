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

function size(row, about) {
  const round = about?.eccentricity == null ? [] : [`eccentricity ${about.eccentricity.toFixed(2)}`];
  const area = about?.area_um2 == null ? [] : [`${whole(about.area_um2)} µm²`];
  return [micrometres(row.diameter_um), ...area, ...round].filter(Boolean).join(", ") || "–";
}

function trusted(about) {
  if (!about?.place) return null;
  const unlike = about.unlike ? ". Unlike anything labelled: this does not hold for it" : "";
  return `${about.place}, ${TRUST[about.area] ?? about.area}: ${about.trust}${unlike}`;
}

const TRUST = { strong: "a strong area", weak: "a weak area", "not known": "reliability not known" };

const opinion = (about) => about?.gate ? `${about.gate}: ${about.passes ? "passes" : about.failing}` : null;

// [name, value] of what the large view lists. `decision`: label, comment, state, problem, note.
function facts(row, decision, { scope, showScore, about }) {
  const { label, comment, state, problem, note } = decision;
  const reader = state === "saved" && row.reader ? ` (${row.reader})` : "";
  const cellsearch = row.assigned ? "shown, assigned as CTC" : row.assigned === null ? "not shown" : "shown, not assigned";
  return Object.entries({
    "P(CTC)": !showScore ? null : row.probability === null ? "not scored" : row.probability.toFixed(2),
    "On the map": showScore ? trusted(about) : null,
    Size: size(row, about),
    "Nucleus to cell": about?.ratio == null ? null : about.ratio.toFixed(2),
    Gate: opinion(about),
    "Mean DAPI, CK, CD45": about ? null : [row.dapi_mean, row.ck_mean, row.cd45_mean].map(whole).join(", "),
    "Frame, y, x": `${row.frame}, ${Math.round(row.y)}, ${Math.round(row.x)}`,
    Cartridge: row.cartridge_id === scope ? null : row.cartridge_id,
    CellSearch: row.group === null ? null : cellsearch,
    Decision: problem ?? (label ? `${LABELS[label]}, ${state}${reader}` : row.reader ?? "none yet"),
    Comment: note ? `${note} (saved with the decision)` : comment || null,
  }).filter(([, value]) => value !== null);
}
