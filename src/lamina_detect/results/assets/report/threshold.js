/* The threshold: dragged on the score's chart, typed, or moved by the arrow keys. */

class Threshold {
  constructor(app) {
    this.app = app;
    this.input = $("threshold");
    this.attach();
    this.input.addEventListener("change", () => {
      const value = Number(this.input.value);
      if (this.input.value !== "" && value > 0 && Number.isFinite(value)) app.setLimit(value);
      else this.shown();
    });
    $("reset").addEventListener("click", () => app.setLimit(app.rule.own));
    $("copy").addEventListener("click", () => this.copy());
    this.shown();
  }

  /* To the score's chart, which is made anew with the page's width. */
  attach() {
    const lane = this.app.lanes?.score;
    if (!lane) return;
    this.handle = element("button", { className: "handle", title: "Drag: the threshold (t, then the arrow keys)", role: "slider" });
    this.handle.setAttribute("aria-label", "Threshold of the score");
    this.handle.setAttribute("aria-orientation", "vertical");
    lane.track.append(this.handle);
    const move = (event) => {
      const box = lane.plot.over.getBoundingClientRect();
      this.drag(lane.plot.posToVal(Math.min(Math.max(event.clientY - box.top, 1), box.height - 1), "y"));
    };
    this.handle.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      this.handle.setPointerCapture(event.pointerId);
      this.dragging = true;
    });
    this.handle.addEventListener("pointermove", (event) => { if (this.dragging) move(event); });
    const end = () => { if (this.dragging) { this.dragging = false; this.app.settled(); } };
    this.handle.addEventListener("pointerup", end);
    this.handle.addEventListener("pointercancel", end);
    this.handle.addEventListener("keydown", (event) => this.key(event));
  }

  drag(level) { this.app.setLimit(rounded(Math.max(this.app.unform(level), .01)), true); }

  key(event) {
    const factor = { ArrowUp: 1.02, ArrowDown: 1 / 1.02, PageUp: 1.2, PageDown: 1 / 1.2 }[event.key];
    if (!factor) return;
    event.preventDefault();
    event.stopPropagation();
    const now = Number.isFinite(this.app.limit) ? this.app.limit : this.app.highest;
    this.app.setLimit(rounded(now * factor));
  }

  place(plot) {
    if (!this.handle) return;
    const { limit } = this.app, finite = Number.isFinite(limit);
    const top = finite ? plot.valToPos(this.app.form(limit), "y") : 0;
    this.handle.style.top = `${plot.over.offsetTop + Math.min(Math.max(top, 0), plot.over.clientHeight)}px`;
    this.handle.textContent = finite ? digits(limit) : "none";
    this.handle.setAttribute("aria-valuenow", finite ? limit : this.app.highest);
    this.handle.setAttribute("aria-valuemin", 0);
    this.handle.setAttribute("aria-valuemax", Math.max(this.app.highest, finite ? limit : 0));
    this.handle.setAttribute("aria-valuetext", finite ? `${digits(limit)}: ${plural(this.app.alarms, "alarm")}` : "none");
  }

  shown() {
    const { app } = this, { limit, page, clock } = app;
    this.input.value = Number.isFinite(limit) ? String(limit === app.rule.own ? Number(limit.toPrecision(6)) : limit) : "";
    const own = limit === app.rule.own, said = [];
    const rate = page.rate ? page.length / page.rate : 0;
    const every = app.alarms > 1 && rate ? `, one every ${spanText(rate / app.alarms)}` : "";
    said.push(`${plural(app.alarms, "alarm")}${every}`);
    if (Number.isFinite(limit) && page.tail.windows) {
      const usual = oneInText(app.rule.oneIn(limit));
      said.push(usual ? `a usual window scores as high once in ${usual}` : "usual windows score as high");
    }
    if (own && page.threshold !== null && !page.stated) said.push(`computed for 1 in ${Math.round(1 / page.false_alarms).toLocaleString("en")}${page.threshold === page.rule.floor ? `, and never below ${page.rule.floor}` : ""}`);
    else if (!own && page.threshold !== null) said.push(`${page.stated ? "stated" : "computed"}: ${digits(page.threshold)}`);
    $("rates").textContent = said.join(" · ");
    $("command").textContent = this.command();
    $("reset").disabled = own;
  }

  /* What gives the events that are shown. */
  command() {
    const [before, option, after] = this.app.page.command;
    const limit = this.app.limit, stated = this.app.page.stated || limit !== this.app.rule.own;
    return before + (stated && Number.isFinite(limit) ? option + String(limit) : "") + after;
  }

  async copy() {
    try { await navigator.clipboard.writeText(this.command()); this.app.say("The command is copied."); }
    catch {
      const range = document.createRange();
      range.selectNodeContents($("command"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      this.app.say("The command is selected: copy it with the keyboard.");
    }
  }
}

/* So that the command reads well, and gives the same to the last digit. */
function rounded(value) { return Number(value.toPrecision(value < 10 ? 3 : 4)); }
