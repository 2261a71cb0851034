/* The whole recording as a strip: what is shown below is the part between the two edges. */

const STRIP = 84, NEAR = 7;

/* Of a short recording too, which is drawn as a line elsewhere. */
function asBars({ data: [x, line, low, high], bars }, length) {
  if (bars.length) return bars;
  return x.flatMap((at, k) => [at, k + 1 < x.length ? x[k + 1] : length, line[k] ?? low[k] ?? NaN, line[k] ?? high[k] ?? NaN]);
}

class Overview {
  constructor(app) {
    this.app = app;
    this.root = $("overview");
    this.build();
    this.listen();
  }

  build() {
    this.plot?.destroy();
    this.root.replaceChildren();
    const { app } = this, c = palette(), lanes = app.lanes;
    this.lead = Math.max(0, app.store.leads.findIndex((lead) => lead.name === app.events[0]?.lead));
    const whole = { from: -.5, to: app.page.length - .5, span: app.page.length };
    const inner = lanes.inner, columns = columnsOf(app.store, whole, inner);
    const signal = leadSeries(app.store, columns, this.lead);
    const score = scoreSeries(app.store, columns, 0, (s) => app.form(s));
    const limit = Number.isFinite(app.limit) ? app.limit : 0;
    const top = app.form(Math.max(score.most, 1.3 * limit, 1)) * 1.9;
    this.score = score.bars;
    this.bars = asBars(signal, app.page.length);
    const tall = Math.max(signal.most - signal.least, 1e-12);
    const block = uPlot.paths.stepped({ align: 1 });
    this.plot = new uPlot({
      width: lanes.width, height: STRIP, padding: [3, RIGHT, 3, 0], legend: { show: false }, cursor: { show: false },
      scales: {
        x: { time: false, range: [whole.from, whole.to] }, s: { range: [0, top] },
        // The lead in the upper half, the score in the lower one.
        y: { range: [signal.least - 1.25 * tall, signal.most + .05 * tall] },
      },
      axes: [{ show: false }, { scale: "s", size: lanes.axis, values: () => [], grid: { show: false }, ticks: { show: false } }],
      series: [{}, { scale: "s", stroke: c.score, width: 1, fill: `color-mix(in srgb, ${c.score} 35%, transparent)`, points: { show: false } },
        { scale: "s", stroke: c.score, width: 1, fill: `color-mix(in srgb, ${c.score} 35%, transparent)`, paths: block, points: { show: false } }],
      hooks: { draw: [(u) => this.drawn(u, c)] },
    }, score.data, this.root);
    this.brush = element("div", { className: "brush" });
    this.root.append(this.brush);
    this.move();
  }

  drawn(u, c) {
    const { app } = this, { ctx, bbox } = u, px = devicePixelRatio;
    ctx.save();
    drawBars(u, this.bars, c.soft, "y");
    drawWash(u, this.score, c.score, "s", .35);
    drawBars(u, this.score, c.score, "s");
    if (Number.isFinite(app.limit)) {
      const y = u.valToPos(app.form(app.limit), "s", true);
      ctx.strokeStyle = c.alarm;
      ctx.lineWidth = px;
      line(ctx, bbox.left, y, bbox.left + bbox.width, y, [5, 4]);
    }
    for (const event of app.events) {
      if (!event.alarm) continue;
      const x = u.valToPos(event.peak, "x", true), mark = app.marks.get(event.peak);
      ctx.fillStyle = mark.false ? c.usual : mark.seen ? c.good : c.alarm;
      ctx.beginPath();
      ctx.moveTo(x - 4 * px, bbox.top);
      ctx.lineTo(x + 4 * px, bbox.top);
      ctx.lineTo(x, bbox.top + 7 * px);
      ctx.fill();
    }
    ctx.restore();
  }

  move() {
    const { from, to } = this.app.view, left = this.app.lanes.axis;
    const at = (sample) => left + (sample + .5) / this.app.page.length * this.app.lanes.inner;
    this.brush.style.left = `${at(from)}px`;
    this.brush.style.width = `${Math.max(3, at(to) - at(from))}px`;
    this.brush.hidden = this.app.view.isWhole;
  }

  redraw() { this.plot.redraw(false); }

  sample(event) {
    const box = this.root.getBoundingClientRect();
    const part = (event.clientX - box.left - this.app.lanes.axis) / this.app.lanes.inner;
    return Math.min(Math.max(part, 0), 1) * this.app.page.length - .5;
  }

  listen() {
    let from = null, begun = 0, moved = false;
    this.root.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      from = this.sample(event);
      begun = event.clientX;
      moved = false;
      this.root.setPointerCapture(event.pointerId);
    });
    this.root.addEventListener("pointermove", (event) => {
      if (from === null) return;
      if (!moved && Math.abs(event.clientX - begun) > 4) {
        moved = true;
        this.app.view.past.push([this.app.view.from, this.app.view.to]);
      }
      if (moved) { const to = this.sample(event); this.app.view.show(Math.min(from, to), Math.max(from, to)); }
    });
    const end = (event) => {
      if (from === null) return;
      if (!moved && event.type === "pointerup") this.clicked(event);
      from = null;
    };
    this.root.addEventListener("pointerup", end);
    this.root.addEventListener("pointercancel", end);
  }

  /* On an alarm's triangle: goes there. Elsewhere: what is shown moves there. */
  clicked(event) {
    const { app } = this, at = this.sample(event), each = app.page.length / app.lanes.inner;
    let best = null;
    for (const found of app.events) {
      const off = Math.abs(found.peak - at) / each;
      if (off <= NEAR && (!best || off < Math.abs(best.peak - at) / each)) best = found;
    }
    if (best) app.go(best);
    else app.view.show(at - app.view.span / 2, at + app.view.span / 2, true);
  }
}
