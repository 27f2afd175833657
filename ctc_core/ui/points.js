// Keeps the points of a map in the browser, so that neither a selection nor a rerun sends them again.
const KEPT = 3;  // maps
const maps = (globalThis.ctcPoints ??= new Map());

// 16 characters id, uint32 n, uint16 (n, 2) x and y, int16 (n) cluster, uint8 (n) place | mistake << 2; little-endian.
function decode(bytes) {
  const buffer = bytes.slice().buffer, n = new DataView(buffer).getUint32(16, true);
  return {
    id: new TextDecoder().decode(bytes.subarray(0, 16)), n,
    xy: new Uint16Array(buffer, 20, 2 * n), cluster: new Int16Array(buffer, 20 + 4 * n, n), marks: new Uint8Array(buffer, 20 + 6 * n, n),
  };
}

export default function ({ data }) {
  const points = decode(data);
  maps.delete(points.id);
  maps.set(points.id, points);
  for (const id of [...maps.keys()].slice(0, -KEPT)) maps.delete(id);
  document.dispatchEvent(new CustomEvent("ctc-points"));
}
