/* The table of events, with what people say of each. */

const FIRST_ROWS = 60;

class Table {
  constructor(app) {
    this.app = app;
    this.body = $("events").tBodies[0];
    // What stands in the page for JavaScript switched off is used again: the small pictures.
    this.pictures = new Map();
    for (const row of this.body.querySelectorAll("tr[data-peak]")) {
      const picture = row.querySelector("svg");
      if (picture) this.pictures.set(Number(row.dataset.peak), picture);
    }
    this.rows = new Map();
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-peak]");
      if (row && !event.target.closest("input, label")) app.goTo(Number(row.dataset.peak));
    });
  }

  /* The first rows at once, the others when the charts stand. */
  draw() {
    const { events } = this.app, rows = (from, to) => events.slice(from, to).map((event, i) => this.row(event, from + i + 1));
    clearTimeout(this.rest);
    if (events.length) this.body.replaceChildren(...rows(0, FIRST_ROWS));
    if (events.length > FIRST_ROWS) this.rest = setTimeout(() => { this.body.append(...rows(FIRST_ROWS)); this.here(); }, 200);
    this.here();
  }

  row(event, number) {
    let row = this.rows.get(event.peak);
    if (!row) {
      row = this.made(event.peak);
      this.rows.set(event.peak, row);
    }
    const { app } = this, set = (name, value) => { row.cells[name].textContent = value; };
    row.id = `event-${number}`;
    row.cells[0].textContent = number;
    row.cells[1].firstChild.textContent = app.clock.text(event.peak);
    set(2, (event.exact ? "" : "≈ ") + app.clock.length_text(event.end - event.start));
    row.cells[3].replaceChildren(digits(event.score), ...(event.alarm ? [] : [element("span", { className: "soft" }, " no alarm")]));
    set(4, oneInText(event.one_in));
    row.classList.toggle("alarm", event.alarm);
    const leads = event.leads.length ? event.leads : [event.lead];
    row.cells[5].replaceChildren(leads.map((lead) => shorten(lead, 24)).join(", "),
      ...(event.expert ? [element("br"), element("span", { className: "soft" }, event.expert)] : []));
    row.cells[5].title = leads.join(", ");
    this.marked(event.peak);
    return row;
  }

  made(peak) {
    const { app } = this, row = element("tr");
    row.dataset.peak = peak;
    const names = ["", "", "length", "score", "one in", "", "", "looked at", "false", ""];
    for (let k = 0; k < 10; k++) {
      const made = row.insertCell();
      if ([0, 2, 3, 4].includes(k)) made.className = "n";
      if (names[k]) made.dataset.label = names[k];
    }
    row.cells[0].classList.add("number");
    row.cells[1].className = "when";
    row.cells[1].append(element("button", { title: "Go there" }));
    row.cells[3].classList.add("score");
    const picture = this.pictures.get(peak) || thumbOf(app, peak);
    if (picture) row.cells[6].append(picture);
    const box = (name, label) => element("input", {
      type: "checkbox", "aria-label": label, onchange: (event) => app.mark(peak, { [name]: event.target.checked }),
    });
    row.cells[7].append(box("seen", "Looked at"));
    row.cells[8].append(box("false", "False alarm"));
    row.cells[9].append(element("input", {
      type: "text", "aria-label": "Note", placeholder: "note", onchange: (event) => app.mark(peak, { note: event.target.value }),
    }));
    return row;
  }

  marked(peak) {
    const row = this.rows.get(peak);
    if (!row) return;
    const mark = this.app.marks.get(peak);
    row.classList.toggle("seen", mark.seen);
    row.classList.toggle("false", mark.false);
    row.cells[7].firstChild.checked = mark.seen;
    row.cells[8].firstChild.checked = mark.false;
    if (row.cells[9].firstChild !== document.activeElement) row.cells[9].firstChild.value = mark.note;
  }

  /* The row of the current event. */
  here() {
    for (const row of this.body.querySelectorAll(".here")) row.classList.remove("here");
    const row = this.app.current && this.rows.get(this.app.current.peak);
    if (!row?.isConnected) return;
    row.classList.add("here");
    const box = row.closest(".events");
    if (box.scrollHeight > box.clientHeight) box.scrollTop = row.offsetTop - box.clientHeight / 2;
  }
}

/* A small picture of an event that has none yet, where the page holds its samples. */
function thumbOf(app, peak) {
  const { store, page } = app, around = Math.round(1.5 * page.window);
  const [piece] = store.finest(peak);
  if (piece.width > Math.max(1, page.window / 20)) return null;
  const name = app.rule.leadsOf(peak).lead, lead = Math.max(0, store.leads.findIndex((l) => l.name === name));
  const view = { from: Math.max(0, peak - around), to: Math.min(page.length, peak + around) };
  view.span = view.to - view.from;
  const { data: [x, line, low], least, most } = leadSeries(store, columnsOf(store, view, view.span), lead);
  const space = "http://www.w3.org/2000/svg", picture = document.createElementNS(space, "svg"), drawn = document.createElementNS(space, "polyline");
  const points = x.map((at, k) => [at, line[k] ?? low[k]]).filter((pair) => pair[1] !== null);
  drawn.setAttribute("points", points.map(([at, value]) => `${((at - view.from) / view.span * 160).toFixed(1)},${(42 - (value - least) / (most - least || 1) * 40).toFixed(1)}`).join(" "));
  picture.setAttribute("viewBox", "0 0 160 44");
  picture.setAttribute("class", "thumb");
  picture.setAttribute("aria-hidden", "true");
  picture.append(drawn);
  return picture;
}
