"use strict";
// Tables that the reader can sort: a click or Enter on a heading, the same again turns the order.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const numeric = heading.classList.contains("number");
    const first = numeric ? "descending" : "ascending";  // of numbers the highest are asked for first
    const other = first === "ascending" ? "descending" : "ascending";
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    for (const each of headings) each.setAttribute("aria-sort", each === heading ? order : "none");
    const sign = order === "ascending" ? 1 : -1, body = table.tBodies[0];
    const key = row => numeric ? row.cells[column].dataset.value : row.cells[column].textContent.trim();
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (!numeric) return sign * x.localeCompare(y);
      return x === "" || y === "" ? (x === "") - (y === "") : sign * (Number(x) - Number(y));
    };
    body.append(...[...body.rows].sort(compare));
  }));
}
