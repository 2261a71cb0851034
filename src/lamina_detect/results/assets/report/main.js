/* The page: what is shown, which event is current, and how people move. */

// Windows that are shown of an event and what is around it.
const AROUND = 12;

class App {
  constructor(page) {
    this.page = page;
    this.store = new Store(page);
    this.clock = new Clock(page.times, page.length);
    this.rule = new Rule(page, this.store);
    this.marks = new Marks(page);
    this.beats = page.beats && { place: new Uint32Array(bytesOf(page.beats.place)), anomalous: new Uint8Array(bytesOf(page.beats.anomalous)) };
    this.limit = this.rule.own;
    this.events = this.rule.events(this.limit);
    this.current = null;
    this.highest = this.rule.height.length ? this.rule.height[0] : 1;
    // A score far above the threshold would press it, and all that is usual, to the ground.
    this.logarithmic = this.highest > 8 * (Number.isFinite(this.limit) ? this.limit : this.highest);
    const units = page.leads.map((lead) => lead.unit);
    this.millivolt = units.every((unit) => unit === "uV" || unit === "µV") ? 1000 : 1;
    this.isEcg = page.rate >= 50 && units.every((unit) => ["mV", "uV", "µV"].includes(unit));
    this.paper = false;
    this.view = new View(page.length, () => this.moved());
  }

  get alarms() { return this.events.filter((event) => event.alarm).length; }

  /* The score's axis, and back. */
  form(score) { return this.logarithmic ? Math.asinh(score) : score; }
  unform(level) { return this.logarithmic ? Math.sinh(level) : level; }

  start() {
    document.documentElement.classList.add("live");
    $("work").hidden = false;
    $("tools").hidden = false;
    $("paper").hidden = !this.isEcg;
    $("logarithm").setAttribute("aria-pressed", this.logarithmic);
    this.table = new Table(this);
    this.lanes = new Lanes(this);
    this.threshold = new Threshold(this);
    this.overview = new Overview(this);
    this.table.draw();
    this.legend();
    this.verdict();
    this.bar();
    this.listen();
    this.fromHash();
    this.offerEarlier();
    $("incomplete").remove();
  }

  moved() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const started = performance.now();
      this.lanes.draw();
      this.overview.move();
      this.readout();
      this.drawn = performance.now() - started;
    });
  }

  /* `dragging`: the table follows when it is over. */
  setLimit(limit, dragging = false) {
    this.limit = limit;
    this.events = this.rule.events(limit);
    if (this.current) this.current = this.events.find((event) => event.peak === this.current.peak) || null;
    this.threshold.shown();
    this.lanes.draw(dragging);
    this.overview.redraw();
    this.verdict();
    this.legend();
    if (!dragging) this.settled();
  }

  settled() {
    this.lanes.draw();
    this.overview.build();
    this.table.draw();
    this.bar();
    this.hash();
  }

  /* To an event: itself with what is around it. */
  go(event) {
    if (!event) return;
    this.current = event;
    const wide = Math.max(AROUND * this.page.window, 2.5 * (event.end - event.start), 2 * LEAST_SAMPLES);
    const middle = event.end - event.start > 4 * this.page.window ? (event.start + event.end) / 2 : event.peak;
    const span = this.paper ? this.paperSpan() : wide;
    this.view.show(middle - span / 2, middle + span / 2, true);
    this.moved();
    this.bar();
    this.table.here();
    this.hash();
    const box = $("charts").getBoundingClientRect();
    if (box.top < 0 || box.top > innerHeight * .6) $("work").scrollIntoView({ block: "start" });
  }

  goTo(peak) { this.go(this.events.find((event) => event.peak === peak)); }

  /* The next by time: as one reads a recording. */
  step(way) {
    const order = [...this.events].filter((event) => event.alarm || !this.alarms).sort((a, b) => a.peak - b.peak);
    if (!order.length) return;
    const at = this.current ? this.current.peak : (way > 0 ? -1 : Infinity);
    const next = way > 0 ? order.find((event) => event.peak > at) : order.findLast((event) => event.peak < at);
    this.go(next || (way > 0 ? order[0] : order[order.length - 1]));
  }

  mark(peak, change) {
    this.marks.set(peak, change);
    this.table.marked(peak);
    this.bar();
    this.overview.redraw();
    if (!this.marks.lasting) this.say("This browser does not keep marks of files: save them as JSON before you close the page.");
  }

  /* The current event, beside the charts. */
  bar() {
    const bar = $("current"), event = this.current;
    if (!event) {
      const note = this.events.length ? ["Press ", element("kbd", {}, "n"), " for the first event, or click one in the table."] : ["No event."];
      bar.replaceChildren(element("span", { className: "soft" }, ...note));
      return;
    }
    const number = this.events.indexOf(event) + 1, mark = this.marks.get(event.peak);
    const check = (name, label, key) => element("label", { className: "pair", title: `${label} (${key})` },
      element("input", { type: "checkbox", id: `bar-${name}`, checked: mark[name], onchange: (e) => this.mark(event.peak, { [name]: e.target.checked }) }), ` ${label}`);
    const said = [`${this.clock.text(event.peak)}`, `score ${digits(event.score)}`, oneInText(event.one_in) && `one window in ${oneInText(event.one_in)}`,
      (event.leads.length ? event.leads : [event.lead]).map((lead) => shorten(lead, 24)).join(", "), event.expert].filter(Boolean).join(" · ");
    bar.replaceChildren(
      element("span", { className: event.alarm ? "badge mark" : "badge soft" }, `${event.alarm ? "Event" : "No alarm, event"} ${number} of ${this.events.length}`),
      element("span", {}, said), check("seen", "looked at", "l"), check("false", "false", "f"),
      element("input", { type: "text", id: "bar-note", placeholder: "note (m)", "aria-label": "Note", value: mark.note, onchange: (e) => this.mark(event.peak, { note: e.target.value }) }),
      element("a", { href: this.hashText() }, "link"),
    );
  }

  verdict() {
    const { limit, events, alarms } = this, node = $("verdict");
    const top = events.slice(0, 3), highest = top.map((event) => {
      const below = Number.isFinite(limit) ? ` (${digits(limit - event.score, 2)} below, ${Math.floor(100 * event.score / limit)} %)` : "";
      return `${digits(event.score)} at ${this.clock.text(event.peak)}${below}`;
    }).join("; ");
    if (!Number.isFinite(limit)) {
      node.replaceChildren(element("b", {}, "No threshold."), ` ${plural(this.page.tail.windows, "window")} are too few to state how often a usual one would be an alarm, so none is. The highest: ${highest}.`);
    } else if (alarms) {
      const rate = this.page.rate && alarms > 1 ? `, one every ${spanText(this.page.length / this.page.rate / alarms)}` : "";
      node.replaceChildren(element("b", { className: "mark" }, plural(alarms, "alarm")), ` above ${digits(limit)}${rate}. The highest: ${digits(events[0].score)} at ${this.clock.text(events[0].peak)}.`);
    } else {
      node.replaceChildren(element("b", {}, "Nothing above the threshold"), ` of ${digits(limit)}. ${highest ? `The highest of the usual: ${highest}.` : "Nothing could be judged."}`);
    }
  }

  legend() {
    const colour = (name, words) => { const i = element("i"); i.style.background = `var(--${name})`; return element("span", {}, i, words); };
    const parts = [colour("score", "score"), colour("causal", "causal score, known at once")];
    if (this.alarms) parts.push(colour("alarm-wash", "alarm"));
    if (this.page.events.some((event) => event.nearest)) parts.push(colour("usual", "nearest usual shape, of the current event"));
    if (this.page.conditions.some(([kind]) => kind === "gap")) parts.push(colour("gap", "gap"));
    if (this.page.labels.length) parts.push(colour("warn", "marked in the file"));
    if (this.beats) parts.push(element("span", {}, "● beat ", element("span", { className: "mark" }, "▼"), " beat marked as anomalous"));
    if (this.page.causal_threshold !== null) parts.push(element("span", {}, `dotted: threshold of lamina watch, ${digits(this.page.causal_threshold)}`));
    if ((this.page.times.jumps || []).length) parts.push(element("span", {}, "dashed upright: the clock jumps"));
    if (this.page.names.length > this.page.leads.length) parts.push(element("span", {}, `${this.page.leads.length} of ${this.page.names.length} leads are drawn: those of the events`));
    $("legend").replaceChildren(...parts);
  }

  /* Values under the pointer. */
  pointed(sample) {
    this.pointer = sample === null ? null : Math.min(Math.max(Math.round(sample), 0), this.page.length - 1);
    this.readout();
  }

  readout() {
    const at = this.pointer;
    if (at === null || at === undefined) {
      const { from, to } = this.view;
      $("time").textContent = `${this.clock.text(Math.ceil(from))} – ${this.clock.text(Math.floor(to))}  (${this.clock.length_text(to - from)})`;
      for (const lane of this.lanes.lanes) lane.value.textContent = "";
      return;
    }
    const [piece, k] = this.store.finest(at), coarse = piece.width > 1;
    $("time").textContent = `${coarse ? "around " : ""}${this.clock.text(at)}`;
    for (const lane of this.lanes.lanes) {
      if (lane.lead === null) {
        const [score, causal] = piece.score.map((numbers) => this.store.scoreOf[numbers[k]]);
        lane.value.textContent = `${coarse ? "at most " : ""}${digits(score)}, causal ${digits(causal)}`;
        continue;
      }
      const { step, unit } = this.store.leads[lane.lead], low = this.store.value(lane.lead, piece.low[lane.lead][k]), high = this.store.value(lane.lead, piece.high[lane.lead][k]);
      lane.value.textContent = Number.isNaN(low) ? "no sample" : coarse ? `${decimals(low, step)} … ${decimals(high, step)} ${unit} (in ${this.clock.length_text(piece.width)})` : `${decimals(low, step)} ${unit}`;
    }
  }

  paperSpan() { return this.lanes.inner / (25 * PX_PER_MM) * this.page.rate; }

  togglePaper() {
    this.paper = !this.paper && this.isEcg;
    $("paper").setAttribute("aria-pressed", this.paper);
    const middle = (this.view.from + this.view.to) / 2, at = this.current ? this.current.peak : middle;
    this.lanes.build();
    if (this.paper) this.view.show(at - this.paperSpan() / 2, at + this.paperSpan() / 2, true);
  }

  toggleLogarithm() {
    this.logarithmic = !this.logarithmic;
    $("logarithm").setAttribute("aria-pressed", this.logarithmic);
    this.lanes.draw();
    this.overview.build();
  }

  say(message, ...more) {
    const node = $("message");
    node.hidden = !message;
    node.replaceChildren(message, ...more);
    if (message && node.getBoundingClientRect().top > innerHeight) node.scrollIntoView({ block: "nearest" });
  }

  hashText() {
    const number = this.events.indexOf(this.current) + 1, changed = this.limit !== this.rule.own && Number.isFinite(this.limit);
    return "#" + [number ? `event=${number}` : "", changed ? `threshold=${this.limit}` : ""].filter(Boolean).join("&");
  }

  hash() {
    const wanted = this.hashText();
    if (wanted === location.hash || (wanted === "#" && !location.hash)) return;
    try { history.replaceState(null, "", wanted); } catch { /* a page without an address of its own */ }
    const link = document.querySelector("#current a");
    if (link) link.href = wanted;
  }

  fromHash() {
    const given = new URLSearchParams(location.hash.slice(1));
    const limit = Number(given.get("threshold"));
    if (given.has("threshold") && limit > 0 && limit !== this.limit) this.setLimit(limit);
    if (!given.has("event")) return;
    const number = Number(given.get("event")), event = this.events[number - 1];
    if (event) { this.say(""); this.go(event); return; }
    const there = this.events.length ? `there are 1 to ${this.events.length}` : "there is none";
    this.say(`The link asks for event ${shorten(given.get("event"), 20)}: ${there} in this result${this.limit === this.rule.own ? "" : " at this threshold"}.`);
  }

  /* What was said of an earlier result of this recording is not lost. */
  offerEarlier() {
    const found = this.marks.earlier().filter((mark) => !this.marks.kept.has(mark.peak));
    if (found.length && !this.marks.kept.size) this.offer(found, "This browser holds marks of another result of this recording");
  }

  offer(found, words) {
    const known = new Set(this.rule.place), fit = found.filter((mark) => known.has(mark.peak));
    const take = element("button", { onclick: () => { this.marks.take(fit); this.marks.keep(); this.table.draw(); this.bar(); this.overview.redraw(); this.say(`${plural(fit.length, "mark")} taken over.`); } }, `take over ${fit.length}`);
    this.say(`${words}: ${fit.length} of ${found.length} lie at a peak of this one. Nothing was changed. `, ...(fit.length ? [take] : []));
  }

  async readMarks(file) {
    try {
      const { marks, own, recording } = this.marks.read(await file.text());
      if (!own) { this.offer(marks, `These marks were made for another result (${shorten(recording)})`); return; }
      this.marks.take(marks);
      this.marks.keep();
      this.table.draw();
      this.bar();
      this.overview.redraw();
      this.say(`${plural(marks.length, "mark")} read.`);
    } catch (error) { this.say(`${shorten(file.name)}: ${error.message}. Nothing was changed.`); }
  }

  listen() {
    listenToPointers(this);
    listenToKeys(this);
    const on = (id, action) => $(id).addEventListener("click", action);
    on("previous", () => this.step(-1));
    on("next", () => this.step(1));
    on("whole", () => this.view.whole());
    on("in", () => this.view.zoom(.5));
    on("out", () => this.view.zoom(2));
    on("back", () => this.view.back());
    on("paper", () => this.togglePaper());
    on("logarithm", () => this.toggleLogarithm());
    on("help", () => this.toggleHelp());
    on("csv", () => download("marks.csv", "text/csv", "\ufeff" + this.marks.asCsv(this.events, this.clock, this.limit)));
    on("json", () => download("marks.json", "application/json", this.marks.asJson(this.events, this.clock)));
    $("import").addEventListener("change", (event) => { if (event.target.files[0]) this.readMarks(event.target.files[0]); event.target.value = ""; });
    for (const row of document.querySelectorAll("tr[data-start]")) {
      row.style.cursor = "pointer";
      row.addEventListener("click", () => { const { start, end } = row.dataset, wide = Math.max(end - start, 2 * this.page.window); this.view.show(Number(start) - wide / 2, Number(end) + wide / 2, true); $("work").scrollIntoView(); });
    }
    addEventListener("hashchange", () => this.fromHash());
    addEventListener("resize", later(() => { this.lanes.resize(); this.overview.build(); }, 80));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.rebuild());
    const print = (on) => { document.documentElement.classList.toggle("printing", on); this.rebuild(); };
    addEventListener("beforeprint", () => print(true));
    addEventListener("afterprint", () => print(false));
  }

  rebuild() { this.lanes.build(); this.overview.build(); }

  toggleHelp() {
    $("keys").hidden = !$("keys").hidden;
    $("help").setAttribute("aria-expanded", !$("keys").hidden);
  }
}

function begin() {
  let app;
  try {
    app = new App(JSON.parse($("data").textContent));
    app.start();
  } catch (error) {
    document.documentElement.classList.remove("live");
    $("work").hidden = true;
    $("incomplete")?.classList.remove("late");
    throw error;
  }
  // For those who measure it.
  window.lamina = { app };
}

begin();
