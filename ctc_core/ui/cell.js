// How one cell is drawn and named.

const PX = 48, GAP = 2, TILES_W = 4 * PX + 3 * GAP;
const LABELS = { ctc: "CTC", "non-ctc": "Non-CTC", unsure: "Unsure", artifact: "Artifact" };
const GROUPS = { agreed: "Agreed", model: "Model only", cellsearch: "CellSearch only" };

// Which channel (0 DAPI, 1 CK, 2 CD45) is shown in red, green and blue. Magenta and green: safe for colour-blind eyes.
const TILES = { composite: [0, 1, 0], dapi: [0, 0, 0], ck: [1, 1, 1], cd45: [2, 2, 2] };

// Grey value -> brightness. The whole frame's range is what is stored; a cell's own range makes faint cells visible, but
// noise is never amplified more than 255 / LEAST_RANGE times.
const LEAST_RANGE = 24, DARKEST = 0.01, BRIGHTEST = 0.998;

function brightness(plane, own) {
  const table = new Uint8ClampedArray(256).map((_, value) => value);
  if (!own) return table;
  const counts = new Uint16Array(256);
  for (const value of plane) counts[value] += 1;
  const quantile = (share) => { let seen = 0; return counts.findIndex((n) => (seen += n) >= share * plane.length); };
  const low = quantile(DARKEST), range = Math.max(LEAST_RANGE, quantile(BRIGHTEST) - low);
  return table.map((value) => (value - low) * 255 / range);
}

function drawTile(canvas, crop, tile, left, own) {
  const image = new ImageData(PX, PX);
  TILES[tile].forEach((channel, colour) => {
    const plane = crop.subarray(channel * PX * PX, (channel + 1) * PX * PX), table = brightness(plane, own);
    for (let i = 0; i < PX * PX; i++) image.data[4 * i + colour] = table[plane[i]];
  });
  for (let i = 3; i < image.data.length; i += 4) image.data[i] = 255;
  canvas.getContext("2d").putImageData(image, left, 0);
}

const percent = (p) => p === null ? "not scored" : `P ${p.toFixed(2)}`;
const micrometres = (d) => d === null ? "" : `${d.toFixed(1)} µm`;
const whole = (value) => value === null ? "–" : Math.round(value).toLocaleString("en");

function spoken(row, i) {
  return `Candidate ${i + 1}, ${GROUPS[row.group]}, ${percent(row.probability)}, frame ${row.frame}`;
}

function term(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

function badge(element, kind, text, state = "") {
  element.className = `badge ${element.dataset.role} ${kind ?? "none"} ${state}`;
  element.textContent = text ?? "";
  element.title = state;
}
