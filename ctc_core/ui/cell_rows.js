// Rows of cells to look at: composite, DAPI, CK and CD45 of each, with its caption. Needs cell.js before it.
const PLACES = { composite: [0, 0], dapi: [1, 0], ck: [0, 1], cd45: [1, 1] };  // two by two tiles

function cellFigure(name, caption, crop) {
  const figure = document.createElement("figure"), canvas = document.createElement("canvas"), tile = document.createElement("canvas");
  Object.assign(canvas, { width: 2 * PX + GAP, height: 2 * PX + GAP });
  Object.assign(tile, { width: PX, height: PX });
  for (const [channel, [column, row]] of Object.entries(PLACES)) {
    drawTile(tile, crop, TILES[channel], 0, true);
    canvas.getContext("2d").drawImage(tile, column * (PX + GAP), row * (PX + GAP));
  }
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Cell ${name}: composite, DAPI, cytokeratin, CD45`);
  figure.title = name;
  figure.append(canvas, term("span", ""), term("figcaption", caption));
  return figure;
}

function fillRow(strip, index, table) {
  const column = (name) => table.getChild(name), figures = [];
  for (let i = 0; i < table.numRows; i++)
    if (column("row").get(i) === index) figures.push(cellFigure(column("cell_id").get(i), column("caption").get(i), column("crop").get(i)));
  strip.replaceChildren(...figures);
}

export default function ({ parentElement, data }) {
  const section = parentElement.querySelector("section");
  section.replaceChildren(...data.headings.flatMap((heading, index) => {
    const strip = Object.assign(document.createElement("div"), { className: "strip", tabIndex: 0 });
    strip.setAttribute("role", "group");
    strip.setAttribute("aria-label", heading);
    fillRow(strip, index, data.cells);
    if (!strip.children.length) strip.append(term("p", "None here."));
    return [term("h3", heading), strip];
  }));
}
