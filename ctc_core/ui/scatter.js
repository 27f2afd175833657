// The map: moving, zooming, picking. What is picked goes to the server; the points never do, and come only once (points.js).
// Needs scatter_view.js and scatter_draw.js before it.

const CLICK_PX = 4;      // a press that moves less is a click
const CORNER_PX = 3;     // least distance between corners of a lasso
const MOST_CORNERS = 400;
const STEP_PX = 60, ZOOM = 1.5;

const maps = (globalThis.ctcPoints ??= new Map());  // filled by points.js: id -> points
const plots = new WeakMap();
const number = (n) => n.toLocaleString("en");

function createPlot(root) {
  const find = (name) => root.querySelector(`.${name}`);
  const picture = find("picture"), tip = find("tip"), status = find("status"), base = find("base"), over = find("over");
  const state = { view: null, least: 1, clusters: [], chosen: null, members: [], hidden: new Set() };
  const painter = base.getContext("2d"), sketcher = over.getContext("2d"), ruler = document.createElement("canvas").getContext("2d");
  let points = null, wanted = "", map = null, send = () => {}, colours = null, dpr = 1, mode = "move", untouched = true;
  let area = null, hovered = null, drag = null, planned = 0, stale = false;

  // ---- drawing, at most once per frame
  function plan(all) {
    stale ||= all;
    planned ||= requestAnimationFrame(() => { planned = 0; paint(); });
  }

  function paint() {
    if (!points || !state.view) return;
    if (stale) drawBase(painter, points, state, colours, dpr);
    stale = false;
    drawOver(sketcher, state.view, hovered, drag?.corners ?? area, colours, dpr);
    if (picture.dataset.painted !== wanted) { picture.dataset.painted = wanted; performance.mark("ctc-map-painted"); }
  }

  function fit() {
    const { clientWidth: width, clientHeight: height } = picture;
    if (!points || !width || !height) return;
    dpr = window.devicePixelRatio || 1;
    for (const canvas of [base, over]) { canvas.width = Math.round(width * dpr); canvas.height = Math.round(height * dpr); }
    const full = whole(points, width, height);
    state.least = full.scale;
    if (untouched || !state.view) state.view = full;
    plan(true);
  }

  function look(view) { state.view = view; untouched = false; plan(true); }
  function zoom(factor, x = picture.clientWidth / 2, y = picture.clientHeight / 2) {
    if (state.view) look(zoomed(state.view, factor, x, y, state.least));
  }
  function showAll() { untouched = true; fit(); }

  // ---- picking
  function pick(cluster) {
    area = null;
    choose(cluster === state.chosen ? null : cluster);
    send(state.chosen === null ? { map } : { map, cluster: state.chosen });
  }

  function pickArea(corners) {
    area = thinned(corners, MOST_CORNERS).map((corner) => corner.map(Math.round));
    choose(null);
    send({ map, area });
  }

  function clear() {
    if (state.chosen === null && !area) return;
    area = null;
    choose(null);
    send({ map });
  }

  function choose(cluster) {
    state.chosen = cluster;
    state.members = !points ? [] : area ? inside(points, area) : cluster === null ? [] : members(points, cluster);
    tell();
    plan(true);
  }

  function tell() {
    for (const button of find("clusters").children) button.setAttribute("aria-pressed", String(Number(button.dataset.cluster) === state.chosen));
    const chosen = state.clusters.find(({ id }) => id === state.chosen);
    const cells = state.members.length === 1 ? "1 cell" : `${number(state.members.length)} cells`;
    const text = !points ? "" : chosen ? `${chosen.name}: ${cells}` : area ? `${cells} in the area` : "Nothing selected";
    if (status.textContent !== text) status.textContent = text;
    find("clear").hidden = !chosen && !area;
  }

  function under(x, y) {  // the innermost cluster at a place on the picture
    const [u, v] = toUnits(state.view, x, y);
    return state.clusters.filter((cluster) => cluster.rings.length && ruler.isPointInPath(pathOf(cluster), u, v, "evenodd"))
      .sort((a, b) => areaOf(a.rings) - areaOf(b.rings))[0] ?? null;
  }

  // ---- pointer
  const placed = (event) => { const box = picture.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };

  function press(event) {
    if (!points || event.button !== 0 || event.target.closest("button")) return;
    const [x, y] = placed(event);
    drag = { x, y, far: false, view: state.view, mode: event.shiftKey ? "rectangle" : mode, corners: null, first: toUnits(state.view, x, y) };
    picture.setPointerCapture(event.pointerId);
  }

  function moved(event) {
    if (!points || !state.view) return;
    const [x, y] = placed(event);
    if (drag) { dragTo(x, y); return; }
    hover(x, y);
  }

  function dragTo(x, y) {
    drag.far ||= Math.hypot(x - drag.x, y - drag.y) >= CLICK_PX;
    if (!drag.far) return;
    tip.hidden = true;
    if (drag.mode === "move") { look(panned(drag.view, x - drag.x, y - drag.y)); return; }
    const here = toUnits(state.view, x, y);
    if (drag.mode === "rectangle") drag.corners = rectangle(drag.first, here);
    else if (!drag.corners) drag.corners = [drag.first, here];
    else if (Math.hypot(...here.map((value, k) => value - drag.corners.at(-1)[k])) * state.view.scale >= CORNER_PX) drag.corners.push(here);
    plan(false);
  }

  function released(event) {
    if (!drag) return;
    const { far, corners } = drag, [x, y] = placed(event);
    drag = null;
    if (corners?.length > 2) pickArea(corners);
    else if (!far) { const cluster = under(x, y); if (cluster) pick(cluster.id); else clear(); }
    plan(false);
  }

  function hover(x, y) {
    const found = under(x, y);
    if (found) {
      tip.replaceChildren(line("strong", found.weakest ? `${found.name}, weakest` : found.name), line("span", found.figures));
      tip.style.transform = `translate(${Math.min(x + 14, picture.clientWidth - 230)}px, ${Math.min(y + 16, picture.clientHeight - 52)}px)`;
    }
    tip.hidden = !found;
    if (found !== hovered) { hovered = found; plan(false); }
  }

  function leave() { tip.hidden = true; hovered = null; plan(false); }

  function wheel(event) {  // the page scrolls until the map has been clicked
    if (!state.view || !(event.ctrlKey || picture === root.activeElement)) return;
    event.preventDefault();
    zoom(Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) / 120), ...placed(event));
  }

  const keys = {
    "+": () => zoom(ZOOM), "=": () => zoom(ZOOM), "-": () => zoom(1 / ZOOM), 0: showAll, Escape: clear,
    ArrowLeft: () => look(panned(state.view, STEP_PX, 0)), ArrowRight: () => look(panned(state.view, -STEP_PX, 0)),
    ArrowUp: () => look(panned(state.view, 0, STEP_PX)), ArrowDown: () => look(panned(state.view, 0, -STEP_PX)),
  };

  function key(event) {
    const action = event.ctrlKey || event.metaKey || event.altKey || !state.view ? null : keys[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  // ---- lists
  function line(tag, text) { return Object.assign(document.createElement(tag), { textContent: text }); }

  function intervalBar([value, low, high]) {  // F1 from 0 to 1, left to right; the words above say the same
    const bar = line("i", "");
    bar.setAttribute("aria-hidden", "true");
    bar.style.cssText = `--value: ${100 * value}%; --low: ${100 * low}%; --high: ${100 * (1 - high)}%`;
    return bar;
  }

  function listClusters() {
    find("clusters").replaceChildren(...state.clusters.map((cluster) => {
      const button = Object.assign(document.createElement("button"), { type: "button", onclick: () => pick(cluster.id) });
      button.className = cluster.weakest ? "weakest" : "";
      button.dataset.cluster = cluster.id;
      button.append(line("strong", cluster.weakest ? `${cluster.name}, weakest` : cluster.name), line("span", cluster.figures));
      if (cluster.f1) button.append(intervalBar(cluster.f1));
      return button;
    }));
  }

  function listLayers() {
    const counts = sorted(points), total = { ...counts, unlabelled: [...counts.background, ...counts.unlabelled] };
    find("legend").replaceChildren(...Object.keys(LAYERS).filter((name) => total[name].length).map((name) => {
      const button = Object.assign(document.createElement("button"), { type: "button", title: `${MEANING[name]}. Click to hide or show.` });
      button.setAttribute("aria-pressed", String(!state.hidden.has(name)));
      button.append(stamp(name, colours, 2), line("span", `${LAYERS[name]} ${number(total[name].length)}`));
      button.onclick = () => {
        if (!state.hidden.delete(name)) state.hidden.add(name);
        button.setAttribute("aria-pressed", String(!state.hidden.has(name)));
        plan(true);
      };
      return button;
    }));
  }

  // ---- wiring
  function arrive() {
    if (!maps.has(wanted) || points === maps.get(wanted)) return;
    points = maps.get(wanted);
    find("waiting").hidden = true;
    listLayers();
    choose(state.chosen);
    fit();
  }

  const resized = new ResizeObserver(fit);
  resized.observe(picture);
  document.addEventListener("ctc-points", arrive);
  Object.assign(picture, { onpointerdown: press, onpointermove: moved, onpointerup: released, onpointerleave: leave, onkeydown: key });
  picture.onpointercancel = () => { drag = null; plan(false); };
  picture.addEventListener("wheel", wheel, { passive: false });
  find("closer").onclick = () => zoom(ZOOM);
  find("further").onclick = () => zoom(1 / ZOOM);
  find("whole").onclick = showAll;
  find("clear").onclick = clear;
  for (const button of find("modes").children)
    button.onclick = () => {
      mode = picture.dataset.mode = button.dataset.mode;
      for (const other of find("modes").children) other.setAttribute("aria-pressed", String(other === button));
    };

  return {
    update(data, sender) {
      send = sender;
      colours = palette(root.host ?? root);
      state.clusters = data.clusters.map((cluster) => ({ ...cluster }));
      picture.setAttribute("aria-label", `Map of ${number(data.cells)} cells in ${data.clusters.length} groups`);
      if (map !== data.map) { map = data.map; state.chosen = data.weakest; area = null; untouched = true; }
      wanted = data.points;
      points = null;
      find("waiting").hidden = false;
      listClusters();
      arrive();
    },
    close() { resized.disconnect(); document.removeEventListener("ctc-points", arrive); cancelAnimationFrame(planned); },
  };
}

export default function ({ parentElement, data, setStateValue }) {
  if (!plots.has(parentElement)) plots.set(parentElement, createPlot(parentElement));
  const plot = plots.get(parentElement);
  plot.update(data, (selection) => setStateValue("selection", selection));
  return () => { plot.close(); plots.delete(parentElement); };
}
