/* The stacked charts of the leads and of the score, one uPlot each, with one view and one pointer. */

const AXIS = 56, NARROW_AXIS = 44, RIGHT = 16;

function palette() {
  const style = getComputedStyle(document.documentElement), colours = {};
  for (const name of ["card", "ink", "soft", "line", "signal", "envelope", "score", "causal", "alarm", "alarm-wash", "gap", "usual",
    "grid", "ecg-fine", "ecg-coarse", "warn", "good", "accent"]) colours[name] = style.getPropertyValue(`--${name}`).trim();
  return colours;
}

class Lanes {
  constructor(app) {
    this.app = app;
    this.root = $("detail");
    this.usual = app.store.leads.map((_, lead) => usualRange(app.store, lead));
    this.build();
  }

  get axis() { return this.width < 500 ? NARROW_AXIS : AXIS; }
  /* For the times below the charts: dates take two lines. */
  get below() { return this.app.clock.dates ? 38 : 24; }
  get inner() { return this.width - this.axis - RIGHT; }

  leadHeight() {
    const count = this.app.store.leads.length, room = Math.max(260, Math.min(620, window.innerHeight * .52));
    const least = this.app.paper ? 76 : 42;
    return Math.round(Math.max(least, Math.min(190, room / count)));
  }

  build() {
    const old = this.lanes || [];
    for (const lane of old) lane.plot.destroy();
    this.root.replaceChildren();
    this.measure();
    this.colours = palette();
    const height = this.leadHeight();
    this.lanes = this.app.store.leads.map((lead, i) => this.leadLane(lead, i, height));
    this.lanes.push(this.scoreLane());
    this.app.threshold?.attach();
    this.draw();
  }

  leadLane(lead, number, height) {
    const lane = { range: [0, 1], lead: number };
    const name = this.named(lead.name + (lead.unit ? ` (${lead.unit})` : ""), "signal");
    name.node.title = `${lead.name}: values to ${digits(lead.step / 2, 2)} ${lead.unit}`.trim();
    const c = this.colours, path = uPlot.paths.stepped({ align: 1 });
    lane.value = name.value;
    lane.plot = this.plot(lane, name.track, height, [
      {}, { stroke: c.signal, width: 1.2, points: { show: (u) => this.app.view.span < this.inner / 8, size: 4, fill: c.signal } },
      { stroke: c.signal, width: .5, paths: path, points: { show: false } }, { stroke: c.signal, width: .5, paths: path, points: { show: false } },
    ], [{ series: [3, 2], fill: c.envelope }]);
    return lane;
  }

  scoreLane() {
    const lane = { range: [0, 1], lead: null }, c = this.colours;
    const name = this.named("score", "score");
    lane.value = name.value;
    lane.track = name.track;
    name.track.id = "score-lane";
    const path = uPlot.paths.stepped({ align: 1 });
    const fill = `color-mix(in srgb, ${c.score} 24%, transparent)`;
    lane.plot = this.plot(lane, name.track, this.width < 500 ? 130 : 150, [
      {}, { stroke: c.score, width: 1.3, fill, points: { show: false } }, { stroke: c.score, width: 1, fill, paths: path, points: { show: false } },
      { stroke: c.causal, width: 1, points: { show: false } }, { stroke: c.causal, width: .8, paths: path, points: { show: false } },
    ]);
    return lane;
  }

  named(text, colour) {
    const value = element("span", { className: "value" });
    const dot = element("span", { className: "dot" });
    dot.style.background = `var(--${colour})`;
    const node = element("div", { className: "name" }, dot, shorten(text, 40), value);
    const track = element("div", { className: "track" }, node);
    this.root.append(track);
    return { value, track, node };
  }

  plot(lane, parent, height, series, bands = []) {
    const last = lane.lead === null, c = this.colours, app = this.app;
    const options = {
      width: this.width, height: height + (last ? this.below : 0), padding: [4, RIGHT, last ? 0 : 4, 0], legend: { show: false }, series, bands,
      cursor: {
        drag: { x: false, y: false, setScale: false }, points: { show: false }, y: false,
        sync: { key: "lamina", scales: ["x", null] },
      },
      scales: { x: { time: false, range: () => [app.view.from, app.view.to] }, y: { range: () => lane.range } },
      axes: [
        {
          show: true, size: last ? this.below : 0, stroke: c.soft, grid: { stroke: c.grid, width: 1 }, ticks: { show: last, stroke: c.line, size: 4 },
          font: "11px system-ui, sans-serif", gap: 3, splits: () => this.ticks.map((t) => t[0]), values: () => last ? this.ticks.map((t) => t[1]) : [],
        },
        last ? this.scoreAxis(lane) : {
          size: this.axis, stroke: c.soft, grid: { stroke: c.grid, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif", gap: 4,
          splits: () => niceTicks(...lane.range, Math.max(2, height / 30)), values: (u, ticks) => ticks.map((t) => digits(t, 4)),
        },
      ],
      hooks: {
        drawAxes: [(u) => drawBelow(u, lane, app, c)],
        draw: [(u) => { drawAbove(u, lane, app, c); if (last) app.threshold?.place(u); }],
        setCursor: [(u) => { if (lane.lead === (app.store.leads.length ? 0 : null)) app.pointed(u.cursor.left < 0 ? null : u.posToVal(u.cursor.left, "x")); }],
      },
    };
    return new uPlot(options, [[], ...series.slice(1).map(() => [])], parent);
  }

  scoreAxis(lane) {
    const c = this.colours, app = this.app;
    return {
      size: this.axis, stroke: c.soft, grid: { stroke: c.grid, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif", gap: 4,
      splits: () => scoreTicks(app, lane.range), values: (u, ticks) => ticks.map((t) => digits(app.unform(t))),
    };
  }

  /* Of the view that there is when they are asked for: uPlot draws later than it is told to. */
  get ticks() {
    const { app } = this, { from, to } = app.view, key = `${from} ${to} ${this.inner}`;
    if (this.ticksOf !== key) {
      const most = Math.max(2, this.inner / (app.clock.dates ? 130 : 100));
      this.ticksHeld = app.clock.ticks(Math.max(0, from), Math.min(app.page.length - 1, to), most);
      this.ticksOf = key;
    }
    return this.ticksHeld;
  }

  /* Everything anew for the view; `held`: the score's axis stays, while the threshold is dragged. */
  draw(held = false) {
    const { app } = this, { store, view } = app, started = performance.now();
    if (!held || !this.columns) this.columns = columnsOf(store, view, this.inner);
    for (const lane of this.lanes) {
      if (lane.lead === null) this.drawScore(lane, held);
      else if (!held) {
        const { data, bars, least, most } = leadSeries(store, this.columns, lane.lead);
        lane.bars = bars;
        lane.range = this.rangeOf(lane.lead, least, most);
        lane.plot.setData(data);
      } else lane.plot.redraw(false);
    }
    $("shown").textContent = resolutionText(this.columns, app.clock);
    this.took = performance.now() - started;
  }

  drawScore(lane, held) {
    const { app } = this, form = (s) => app.form(s);
    const late = scoreSeries(app.store, this.columns, 0, form), causal = scoreSeries(app.store, this.columns, 1, form);
    if (!held) {
      const threshold = Number.isFinite(app.limit) ? app.limit : 0;
      const most = Math.max(late.most, causal.most, 1.3 * threshold, 1);
      lane.range = [0, app.form(most) * 1.08];
    }
    lane.late = late.bars;
    lane.causal = causal.bars;
    lane.plot.setData([...late.data, ...causal.data.slice(1)]);
  }

  rangeOf(lead, least, most) {
    const [low, high] = this.usual[lead], span = Math.max(high - low, 1e-12);
    if (!(most >= least)) return [low, high + (high === low ? 1 : 0)];
    if (this.app.paper) {
      const tall = (this.leadHeight() - 8) / (10 * PX_PER_MM) * this.app.millivolt, middle = (least + most) / 2;
      // Not where a millivolt is nothing: no ECG, whatever its unit says.
      if (tall > 1e-6 * Math.abs(middle)) return [middle - tall / 2, middle + tall / 2];
    }
    const wide = Math.max(most - least, .2 * span), middle = (least + most) / 2;
    return [middle - wide * .56, middle + wide * .56];
  }

  /* Once: asking for it makes the browser lay out the page anew. */
  measure() {
    const paper = document.documentElement.classList.contains("printing");
    this.width = paper ? PAPER_WIDTH : Math.max(240, this.root.clientWidth);
  }

  resize() {
    this.measure();
    for (const lane of this.lanes) lane.plot.setSize({ width: this.width, height: lane.plot.height });
    this.draw();
  }

  get score() { return this.lanes[this.lanes.length - 1]; }
}

const PX_PER_MM = 96 / 25.4;
// Of the charts on A4 or Letter, with the margins that browsers leave.
const PAPER_WIDTH = 670;

/* Where a lead is for most of the time: a quiet stretch is not blown up beyond a fifth of it. */
function usualRange(store, lead) {
  const piece = store.groups[store.groups.length - 1].pieces[0];
  const pick = (array, part) => {
    const there = array.filter((v) => v !== NO_VALUE).sort();
    return there.length ? store.value(lead, there[Math.floor(part * (there.length - 1))]) : 0;
  };
  return [pick(piece.low[lead], .05), pick(piece.high[lead], .95)];
}

function scoreTicks(app, [, top]) {
  const most = app.unform(top), found = [];
  const candidates = app.logarithmic ? [0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e4, 1e5, 1e6]
    : niceTicks(0, most, 4);
  let last = -Infinity;
  for (const value of candidates) {
    const at = app.form(value);
    if (at > top || at - last < top / 6) continue;
    found.push(at);
    last = at;
  }
  return found;
}

/* Round numbers between two values, at most so many. Not uPlot's: its steps end at 1e16. */
function niceTicks(low, high, most) {
  const rough = (high - low) / most, size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= rough), found = [];
  if (!(step > 0)) return [low];
  for (let k = Math.ceil(low / step); k * step <= high && found.length < 50; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}
