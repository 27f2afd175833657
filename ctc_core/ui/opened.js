// Says what the page has opened, before its cells are there: see `isLeft` in panels.js.
export default function ({ data }) {
  (globalThis.ctcOpened ??= new Map()).set(data.film, data.scope);
}
