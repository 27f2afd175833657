// Says what the page has opened, before its cells are there: see `isLeft` in panels.js.
export default function ({ data }) {
  const opened = (globalThis.ctcOpened ??= new Map());
  const another = opened.has(data.film) && opened.get(data.film) !== data.scope;
  if (another) document.activeElement?.blur();  // the choice is made: keys are for the cells again
  opened.set(data.film, data.scope);
}
