// How the map is put on canvases. Needs scatter_view.js before it.

const MANY = 300;  // cells of one patient from which on they are drawn smaller
const HIGHLIGHT = "#f0e442";  // under what is selected, like a text marker; Okabe and Ito's yellow
const PLACE = { unlabelled: 0, train: 1, test: 2, patient: 3 };
const LAYERS = {  // in the order in which they are drawn; what each is called in the legend
  unlabelled: "Not labelled", labelled: "Labelled", falseCtc: "False CTC", missedCtc: "Missed CTC", patient: "This patient",
};
const MEANING = {
  unlabelled: "Cells nobody has labelled; darker inside a cluster",
  labelled: "Cells labelled by readers that the classifier gets right, or learnt from",
  falseCtc: "Test cells called CTC that readers call non-CTC",
  missedCtc: "Test cells called non-CTC that readers call CTC",
  patient: "Cells of the patient chosen above",
};

function layerOf(mark, cluster) {
  const mistake = mark >> 2, place = mark & 3;
  if (place === PLACE.patient) return "patient";
  if (mistake) return mistake === 1 ? "falseCtc" : "missedCtc";
  return place === PLACE.unlabelled ? (cluster < 0 ? "background" : "unlabelled") : "labelled";
}

function sorted(points) {  // point numbers by layer, once per map
  if (points.layers) return points.layers;
  const lists = { background: [], unlabelled: [], labelled: [], falseCtc: [], missedCtc: [], patient: [] };
  for (let i = 0; i < points.n; i++) lists[layerOf(points.marks[i], points.cluster[i])].push(i);
  return points.layers = lists;
}

function palette(host) {
  const style = getComputedStyle(host), read = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const ground = read("background-color"), text = read("text-color");
  const mixed = (share) => `color-mix(in srgb, ${text} ${100 * share}%, ${ground})`;
  return {
    ground, text, font: read("font"), background: mixed(0.2), unlabelled: mixed(0.36), labelled: mixed(0.58),
    falseCtc: read("red-color"), missedCtc: read("blue-color"), patient: text,
    highlight: `color-mix(in srgb, ${HIGHLIGHT} 45%, ${ground})`, member: `color-mix(in srgb, ${HIGHLIGHT} 55%, ${text})`,
  };
}

// ------------------------------------------------------------------------------------------------------------ marks
function crossAt(ctx, upright) {  // nine pixels wide around 0, 0
  const a = upright ? 5 : 4, b = upright ? 0 : 4;
  ctx.beginPath();
  ctx.moveTo(-a, -b); ctx.lineTo(a, b);
  ctx.moveTo(b, -a); ctx.lineTo(-b, a);
}

function mark(ctx, layer, colours, many) {
  ctx.lineCap = "round";
  if (layer === "falseCtc" || layer === "missedCtc") {
    crossAt(ctx, layer === "missedCtc");
    for (const [width, colour] of [[4.4, colours.ground], [2.2, colours[layer]]]) { ctx.lineWidth = width; ctx.strokeStyle = colour; ctx.stroke(); }
  } else if (layer === "patient") {
    for (const [radius, colour] of many ? [[2.5, colours.ground], [1.8, colours.patient]] : [[3.6, colours.ground], [2.7, colours.patient]]) {
      ctx.beginPath(); ctx.arc(0, 0, radius, 0, 2 * Math.PI); ctx.fillStyle = colour; ctx.fill();
    }
  } else {
    ctx.fillStyle = colours[layer];
    ctx.fillRect(-2, -2, 4, 4);
  }
}

function stamp(layer, colours, dpr, many = false) {  // one mark, drawn once and copied to many places
  const canvas = Object.assign(document.createElement("canvas"), { width: 16 * dpr, height: 16 * dpr }), ctx = canvas.getContext("2d");
  ctx.setTransform(dpr, 0, 0, dpr, 8 * dpr, 8 * dpr);
  mark(ctx, layer, colours, many);
  return canvas;
}

// ------------------------------------------------------------------------------------------------------------ points
function packed(colour) {  // as the pixels of ImageData hold it
  const ctx = new OffscreenCanvas(1, 1).getContext("2d");
  ctx.fillStyle = colour;
  ctx.fillRect(0, 0, 1, 1);
  return new Uint32Array(ctx.getImageData(0, 0, 1, 1).data.buffer)[0];
}

// Squares of `size` CSS pixels written straight into the image: several times faster than as many fillRect.
function drawDots(image, points, members, view, size, dpr, colour) {
  const { width, height } = image, pixels = new Uint32Array(image.data.buffer), value = packed(colour);
  const edge = Math.max(1, Math.round(size * dpr)), s = view.scale * dpr, left = view.x * dpr - edge / 2, top = view.y * dpr - edge / 2;
  for (const i of members) {
    const x = Math.round(points.xy[2 * i] * s + left), y = Math.round(top - points.xy[2 * i + 1] * s);
    const x0 = Math.max(0, x), x1 = Math.min(width, x + edge), y1 = Math.min(height, y + edge);
    for (let row = Math.max(0, y); row < y1; row++) for (let k = row * width + x0, end = row * width + x1; k < end; k++) pixels[k] = value;
  }
}

function drawStamps(ctx, points, members, view, picture, dpr) {
  const { width, height } = ctx.canvas, half = picture.width / 2;
  for (const i of members) {
    const [x, y] = toPixels(view, points.xy[2 * i], points.xy[2 * i + 1]).map((value) => Math.round(value * dpr) - half);
    if (x > -2 * half && y > -2 * half && x < width && y < height) ctx.drawImage(picture, x, y);
  }
}

const members = (points, cluster) => points.cluster.reduce((found, c, i) => { if (c === cluster) found.push(i); return found; }, []);

function dotSize(view, least) { return Math.min(4, 1.6 + 0.5 * Math.log2(Math.max(1, view.scale / least))); }

// Everything that moving the pointer does not change. `state`: view, least, clusters, chosen (cluster id or null), hidden (Set).
function drawBase(ctx, points, state, colours, dpr) {
  const image = new ImageData(ctx.canvas.width, ctx.canvas.height);
  const layers = sorted(points), size = dotSize(state.view, state.least), shown = (name) => !state.hidden.has(name);
  const dots = (list, colour, by = 1) => drawDots(image, points, list, state.view, size * by, dpr, colour);
  dots(state.members, colours.highlight, (size + 3) / size);
  if (shown("unlabelled")) { dots(layers.background, colours.background); dots(layers.unlabelled, colours.unlabelled); }
  if (shown("labelled")) dots(layers.labelled, colours.labelled, 1.25);
  dots(state.members, colours.member);
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.putImageData(image, 0, 0);
  for (const name of ["falseCtc", "missedCtc", "patient"])
    if (shown(name)) drawStamps(ctx, points, layers[name], state.view, stamp(name, colours, dpr, layers[name].length > MANY), dpr);
  const drawn = state.clusters.filter(({ rings }) => rings.length);
  for (const cluster of drawn) drawOutline(ctx, cluster, state, colours, dpr);
  for (const cluster of drawn) drawName(ctx, cluster, state, colours, dpr);
}

// ---------------------------------------------------------------------------------------------------------- clusters
function pathOf(cluster) {  // in map units, made once
  if (cluster.path) return cluster.path;
  const path = new Path2D();
  for (const ring of cluster.rings) {
    path.moveTo(ring[0], ring[1]);
    for (let i = 2; i < ring.length; i += 2) path.lineTo(ring[i], ring[i + 1]);
    path.closePath();
  }
  return cluster.path = path;
}

function drawOutline(ctx, cluster, { view, chosen }, colours, dpr) {
  const scale = view.scale * dpr, width = cluster.weakest ? 3.5 : cluster.id === chosen ? 2.5 : 1.4;
  ctx.setTransform(scale, 0, 0, -scale, view.x * dpr, view.y * dpr);
  ctx.lineJoin = "round";
  for (const [extra, colour] of [[2.4, colours.ground], [0, colours.text]]) {
    ctx.lineWidth = (width + extra) / view.scale;
    ctx.strokeStyle = colour;
    ctx.stroke(pathOf(cluster));
  }
  ctx.setTransform(1, 0, 0, 1, 0, 0);
}

function topOf(cluster) {  // the highest corner of the outline, found once
  if (cluster.top) return cluster.top;
  const corners = cluster.rings.flatMap((ring) => ring.filter((_, i) => i % 2 === 0).map((u, k) => [u, ring[2 * k + 1]]));
  return cluster.top = corners.reduce((best, corner) => corner[1] > best[1] ? corner : best);
}

function drawName(ctx, cluster, { view, chosen }, colours, dpr) {
  const [x, y] = toPixels(view, ...topOf(cluster)), text = cluster.weakest ? `${cluster.name}, weakest` : cluster.name;
  ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
  ctx.font = `${cluster.weakest || cluster.id === chosen ? 700 : 600} 12px ${colours.font}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  const width = ctx.measureText(text).width + 8;
  ctx.globalAlpha = 0.85;
  ctx.fillStyle = colours.ground;
  ctx.beginPath();
  ctx.roundRect(x - width / 2, y - 21, width, 17, 3);
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.fillStyle = colours.text;
  ctx.fillText(text, x, y - 5);
}

// What changes while the pointer moves: the cluster under it, and the area being drawn or chosen (corners in map units).
function drawOver(ctx, view, hovered, area, colours, dpr) {
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, ctx.canvas.width, ctx.canvas.height);
  ctx.setTransform(view.scale * dpr, 0, 0, -view.scale * dpr, view.x * dpr, view.y * dpr);
  ctx.fillStyle = `color-mix(in srgb, ${colours.text} 9%, transparent)`;
  if (hovered?.rings.length) ctx.fill(pathOf(hovered), "evenodd");
  if (!area) return;
  ctx.beginPath();
  area.forEach(([u, v], i) => i ? ctx.lineTo(u, v) : ctx.moveTo(u, v));
  ctx.closePath();
  ctx.fillStyle = `color-mix(in srgb, ${colours.text} 5%, transparent)`;
  ctx.fill("evenodd");
  ctx.lineWidth = 1.5 / view.scale;
  ctx.setLineDash([6 / view.scale, 4 / view.scale]);
  ctx.strokeStyle = colours.text;
  ctx.stroke();
  ctx.setLineDash([]);
}
