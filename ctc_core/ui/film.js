// Keeps the pictures of one gallery in the browser, so that saving a decision never sends them again.
const films = (globalThis.ctcFilms ??= new Map());

export default function ({ data }) {
  const ids = data.crops.getChild("candidate_id"), at = new Map();
  for (let i = 0; i < data.crops.numRows; i++) at.set(ids.get(i), i);
  films.set(data.film, { at, crops: data.crops.getChild("crop") });
  document.dispatchEvent(new CustomEvent("ctc-film"));
}
