// How one cell is drawn and named.

const PX = 48, GAP = 2, TILES_W = 4 * PX + 3 * GAP;
const LABELS = { ctc: "CTC", "non-ctc": "Non-CTC", unsure: "Unsure", artifact: "Artifact" };
const GROUPS = { agreed: "Agreed", model: "Model only", cellsearch: "CellSearch only", less: "Less certain" };

// A tile adds up channels (0 DAPI, 1 CK, 2 CD45), each in its colour. Magenta and green: safe for colour-blind eyes.
const MAGENTA = [1, 0, 1], GREEN = [0, 1, 0], WHITE = [1, 1, 1];
const TILES = { composite: [[0, MAGENTA], [1, GREEN]], dapi: [[0, WHITE]], ck: [[1, WHITE]], cd45: [[2, WHITE]] };

// Grey value -> brightness. The whole frame's range is what is stored; a cell's own range makes faint cells visible, but
// noise is never amplified more than 255 / LEAST_RANGE times (before a contrast that the reader asks for).
const LEAST_RANGE = 24, DARKEST = 0.01, BRIGHTEST = 0.998;

function brightness(plane, own, contrast) {
  const table = new Uint8ClampedArray(256);
  if (!own) return table.map((_, value) => value * contrast);
  const counts = new Uint16Array(256);
  for (const value of plane) counts[value] += 1;
  const quantile = (share) => { let seen = 0; return counts.findIndex((n) => (seen += n) >= share * plane.length); };
  const low = quantile(DARKEST), range = Math.max(LEAST_RANGE, quantile(BRIGHTEST) - low);
  return table.map((_, value) => (value - low) * 255 * contrast / range);
}

function drawTile(canvas, crop, tile, left, own, contrast = 1) {
  const image = new ImageData(PX, PX), pixels = image.data;  // sums stop at 255 by themselves
  for (const [channel, colour] of tile) {
    const plane = crop.subarray(channel * PX * PX, (channel + 1) * PX * PX), table = brightness(plane, own, contrast);
    for (let c = 0; c < 3; c++) if (colour[c]) for (let i = 0; i < PX * PX; i++) pixels[4 * i + c] += table[plane[i]];
  }
  for (let i = 3; i < pixels.length; i += 4) pixels[i] = 255;
  canvas.getContext("2d").putImageData(image, left, 0);
}

const percent = (p) => p === null ? "not scored" : `P ${p.toFixed(2)}`;
const micrometres = (d) => d === null ? "" : `${d.toFixed(1)} µm`;
const whole = (value) => value === null ? "–" : Math.round(value).toLocaleString("en");

function term(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

function badge(element, kind, text, state = "") {
  element.className = `badge ${element.dataset.role} ${kind ?? "none"} ${state}`;
  element.textContent = text ?? "";
  element.title = state;
}
