// Where things are: from map units (0..65535, y upwards) to CSS pixels and back.

const DEEPEST = 60;  // times the scale of the whole map
const EDGE_PX = 26;  // free around the whole map

// A view is { scale, x, y }: a point (u, v) is drawn at (u * scale + x, y - v * scale).
function whole(points, width, height) {
  const [[u0, u1], [v0, v1]] = points.extent ??= [extent(points, 0), extent(points, 1)];
  const scale = Math.min((width - 2 * EDGE_PX) / (u1 - u0), (height - 2 * EDGE_PX) / (v1 - v0));
  return { scale, x: (width - (u0 + u1) * scale) / 2, y: (height + (v0 + v1) * scale) / 2 };
}

function extent(points, axis) {  // smallest and largest, at least 1000 apart
  let least = 65535, most = 0;
  for (let i = axis; i < points.xy.length; i += 2) { least = Math.min(least, points.xy[i]); most = Math.max(most, points.xy[i]); }
  const lacking = Math.max(0, 1000 - (most - least)) / 2;
  return [least - lacking, most + lacking];
}

const toUnits = (view, x, y) => [(x - view.x) / view.scale, (view.y - y) / view.scale];
const toPixels = (view, u, v) => [u * view.scale + view.x, view.y - v * view.scale];

function zoomed(view, factor, x, y, least) {  // what lies at (x, y) stays there
  const scale = Math.max(0.5 * least, Math.min(DEEPEST * least, view.scale * factor)), f = scale / view.scale;
  return { scale, x: x - (x - view.x) * f, y: y - (y - view.y) * f };
}

const panned = (view, dx, dy) => ({ scale: view.scale, x: view.x + dx, y: view.y + dy });

// Numbers of the points inside corners [[u, v], ...]: even-odd rule, the same sums as `inside` in scatter.py.
function inside(points, corners) {
  const found = [];
  for (let i = 0; i < points.n; i++) {
    const x = points.xy[2 * i], y = points.xy[2 * i + 1];
    let odd = false;
    for (let j = 0, k = corners.length - 1; j < corners.length; k = j++) {
      const [x1, y1] = corners[j], [x0, y0] = corners[k];
      if ((y1 > y) !== (y0 > y) && x < (x0 - x1) * (y - y1) / (y0 - y1) + x1) odd = !odd;
    }
    if (odd) found.push(i);
  }
  return found;
}

// Fewer corners than the server accepts: every second one goes until there are.
function thinned(corners, most) {
  while (corners.length > most) corners = corners.filter((_, i) => i % 2 === 0);
  return corners;
}

const rectangle = ([x0, y0], [x1, y1]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];

function areaOf(rings) {  // shoelace; rings of holes count as well, which is good enough to tell the inner from the outer
  return rings.reduce((sum, ring) => {
    let twice = 0;
    for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) twice += ring[j] * ring[i + 1] - ring[i] * ring[j + 1];
    return sum + Math.abs(twice) / 2;
  }, 0);
}
