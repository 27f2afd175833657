// What no decision changes about a cell: what was measured, and the labelled cells that look most like it.
// Needs cell.js and facts.js before it.

const STATISTICS = [["mean", "Mean"], ["max", "Max"], ["sd", "SD"]];
const STAINS = [["dapi", "DAPI"], ["ck", "CK"], ["cd45", "CD45"], ["marker", "Marker"]];

function createReasons(view) {
  const table = view.querySelector(".measured"), near = view.querySelector(".near"), strip = near.querySelector(".strip");
  let drawn = "";

  function paintMeasured(about) {
    const measured = STAINS.filter(([stain]) => about?.[`${stain}_mean`] != null);
    table.hidden = !measured.length;
    const head = rowOf("th", ["", ...STATISTICS.map(([, name]) => name)]);
    table.querySelector("tbody").replaceChildren(head, ...measured.map(([stain, name]) =>
      rowOf("td", [name, ...STATISTICS.map(([statistic]) => whole(about[`${stain}_${statistic}`]))])));
  }

  function rowOf(tag, texts) {
    const row = document.createElement("tr");
    row.append(...texts.map((text, i) => Object.assign(term(i ? tag : "th", text), { scope: i ? "" : "row" })));
    return row;
  }

  function paintNear(cells, name) {
    near.hidden = !cells.length;
    if (drawn === name) return;
    drawn = name;
    strip.replaceChildren(...cells.map((cell) => {
      const figure = document.createElement("figure"), canvas = Object.assign(document.createElement("canvas"), { width: PX, height: PX });
      drawTile(canvas, cell.crop, TILES.composite, 0, true);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Labelled ${cell.is_ctc ? "CTC" : "non-CTC"}`);
      figure.title = cell.cell_id;
      figure.append(canvas, Object.assign(term("span", cell.is_ctc ? "CTC" : "Non-CTC"), { className: `badge ${cell.is_ctc ? "ctc" : "non-ctc"} decision` }));
      return figure;
    }));
  }

  return {
    paint(about, hidden) {
      paintMeasured(about);
      const cells = hidden ? [] : about?.near ?? [];
      paintNear(cells, cells.map((cell) => cell.cell_id).join(" "));
    },
  };
}
