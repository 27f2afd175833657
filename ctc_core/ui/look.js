// How the reader looks at cells: brightness, contrast, zoom, and which channels the large picture adds up.
// Needs cell.js before it.

const CONTRASTS = [0.5, 0.7, 1, 1.4, 2, 2.8, 4], ZOOMS = [1, 1.5, 2, 2.5];
const CHANNELS = [["dapi", "DAPI", MAGENTA], ["ck", "CK", GREEN], ["cd45", "CD45", WHITE]];

function createLook(view, changed) {
  const start = () => ({ own: true, contrast: 1, zoom: 1, shown: [true, true, false] });
  let look = start();

  function change(part) {
    look = { ...look, ...part };
    changed();
  }

  const step = (values, value, by) => values[Math.max(0, Math.min(values.length - 1, values.indexOf(value) + by))];
  const toggle = (channel) => change({ shown: look.shown.map((on, i) => on !== (i === channel)) });
  const actions = {
    b: () => change({ own: !look.own }),
    ",": () => change({ contrast: step(CONTRASTS, look.contrast, -1) }),
    ".": () => change({ contrast: step(CONTRASTS, look.contrast, 1) }),
    "+": () => change({ zoom: step(ZOOMS, look.zoom, 1) }),
    "-": () => change({ zoom: step(ZOOMS, look.zoom, -1) }),
    0: () => change(start()),
    d: () => toggle(0), k: () => toggle(1), l: () => toggle(2),
  };
  Object.assign(actions, { "=": actions["+"], "−": actions["-"], _: actions["-"] });
  for (const button of view.querySelectorAll("button[data-look]")) button.onclick = () => actions[button.dataset.look]();

  // The large picture: one channel alone in grey, several in their colours.
  function mixed() {
    const shown = CHANNELS.map((_, i) => i).filter((i) => look.shown[i]);
    return shown.length === 1 ? [[shown[0], WHITE]] : shown.map((i) => [i, CHANNELS[i][2]]);
  }

  return {
    actions,
    get name() { return `${look.own} ${look.contrast}`; },  // what the pictures on the wall depend on
    draw: (canvas, crop, tile, left) => drawTile(canvas, crop, tile, left, look.own, look.contrast),
    show(crop) {
      for (const [name, tile] of Object.entries({ ...TILES, composite: mixed() }))
        if (crop) drawTile(view.querySelector(`.${name} canvas`), crop, tile, 0, look.own, look.contrast);
      const names = CHANNELS.filter((_, i) => look.shown[i]).map(([, name]) => name).join(" + ");
      view.querySelector(".composite figcaption").textContent = names || "no channel chosen";
      CHANNELS.forEach(([name], i) => view.querySelector(`.${name} button`).setAttribute("aria-pressed", String(look.shown[i])));
      view.querySelector(".pictures").style.setProperty("--zoom", look.zoom);
      view.querySelector(".brightness").textContent = look.own ? "Brightness of each cell" : "Brightness of the frame";
      view.querySelector(".contrast").textContent = `${look.contrast}×`;
      view.querySelector(".zoom").textContent = `${look.zoom}×`;
    },
  };
}
