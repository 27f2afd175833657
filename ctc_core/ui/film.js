// Keeps the pictures of one gallery in the browser, and what no decision changes about its cells, so that saving a
// decision never sends them again.
const films = (globalThis.ctcFilms ??= new Map());

function column(table) {
  const columns = table.schema.fields.map(({ name }) => [name, table.getChild(name)]);
  return (i) => Object.fromEntries(columns.map(([name, values]) => [name, values.get(i)]));
}

function places(table) {
  const ids = table.getChild("candidate_id"), at = new Map();
  for (let i = 0; i < table.numRows; i++) at.set(ids.get(i), i);
  return at;
}

// id -> what is known of it, `near` as rows of the labelled cells; null where nothing is.
function reader(about, labelled) {
  const at = places(about), row = column(about), cell = column(labelled);
  return (id) => {
    if (!at.has(id)) return null;
    const found = row(at.get(id));
    return { ...found, near: Array.from(found.near ?? [], (i) => cell(Number(i))) };
  };
}

export default function ({ data }) {
  films.set(data.film, { at: places(data.crops), crops: data.crops.getChild("crop"), about: reader(data.about, data.labelled) });
  document.dispatchEvent(new CustomEvent("ctc-film"));
}
