/* What is drawn on the charts beside the lines: events, gaps, beats, paper, the threshold. */

const MOST_BEATS = 400;

/* Below the lines. */
function drawBelow(u, lane, app, c) {
  const { ctx, bbox } = u, x = (sample) => u.valToPos(sample, "x", true), { from, to } = app.view;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  if (lane.lead !== null && app.isEcg) drawPaper(u, app, c);
  const wash = (start, end, colour, top = bbox.top, height = bbox.height) => {
    if (end < from || start > to) return;
    const left = x(start), wide = Math.max(x(end) - left, 1.5 * devicePixelRatio);
    ctx.fillStyle = colour;
    ctx.fillRect(left, top, wide, height);
  };
  for (const [start, end] of app.page.labels) wash(start, end, c.warn, bbox.top, 4 * devicePixelRatio);
  if (lane.lead !== null) {
    const number = app.store.leads[lane.lead].number;
    for (const [kind, lead, start, end] of app.page.conditions) if (lead === number) wash(start, end, kind === "gap" ? c.gap : c.grid);
  }
  for (const event of app.events) if (event.alarm) wash(event.start, event.end, c["alarm-wash"]);
  const current = app.current;
  if (current) {
    ctx.strokeStyle = c.accent;
    ctx.lineWidth = devicePixelRatio;
    for (const edge of [current.start, current.end]) line(ctx, x(edge), bbox.top, x(edge), bbox.top + bbox.height, [3, 3]);
  }
  if (current?.nearest && app.store.leads[lane.lead]?.name === current.nearest.lead) drawUsual(u, current.nearest, c);
  for (const jump of app.clock.jumps || []) {
    if (jump < from || jump > to) continue;
    ctx.strokeStyle = c.soft;
    ctx.lineWidth = devicePixelRatio;
    line(ctx, x(jump - .5), bbox.top, x(jump - .5), bbox.top + bbox.height, [6, 4]);
  }
  ctx.restore();
}

/* The usual shape that is nearest to the current event: what was expected there. */
function drawUsual(u, { start, every, usual }, c) {
  const { ctx } = u;
  ctx.strokeStyle = c.usual;
  ctx.lineWidth = 3 * devicePixelRatio;
  ctx.beginPath();
  usual.forEach((value, k) => ctx.lineTo(u.valToPos(start + k * every, "x", true), u.valToPos(value, "y", true)));
  ctx.stroke();
}

/* Above the lines. */
function drawAbove(u, lane, app, c) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  if (lane.bars) drawBars(u, lane.bars, c.signal, "y");
  if (lane.lead === 0) drawBeats(u, app, c);
  if (lane.late) {
    drawWash(u, lane.late, c.score, "y", .24);
    drawBars(u, lane.late, c.score, "y");
    drawBars(u, lane.causal, c.causal, "y");
  }
  if (lane.lead === null) {
    const level = (value, colour, dash) => {
      if (value === null || !Number.isFinite(value)) return;
      const y = u.valToPos(app.form(value), "y", true);
      ctx.strokeStyle = colour;
      ctx.lineWidth = 1.5 * devicePixelRatio;
      line(ctx, bbox.left, y, bbox.left + bbox.width, y, dash);
    };
    level(app.page.causal_threshold, c.causal, [2, 4]);
    level(app.limit, c.alarm, [7, 4]);
  }
  ctx.restore();
}

function line(ctx, x0, y0, x1, y1, dash) {
  ctx.setLineDash(dash.map((d) => d * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
  ctx.setLineDash([]);
}

/* 0.2 s by 0.5 mV, and a fifth of each, where that is wide enough to be seen. */
function drawPaper(u, app, c) {
  const { ctx, bbox } = u, small = u.bbox.width * .04 * app.page.rate / app.view.span;
  const draw = (seconds, volts, colour) => {
    const step = seconds * app.page.rate, [low, high] = [u.scales.y.min, u.scales.y.max];
    ctx.strokeStyle = colour;
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    for (let k = Math.ceil(app.view.from / step); k * step <= app.view.to; k++) {
      const x = Math.round(u.valToPos(k * step, "x", true)) + .5;
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
    }
    if (high > low && bbox.height * volts / (high - low) >= 4.5 * devicePixelRatio) {
      const first = Math.ceil(low / volts), count = Math.min(500, Math.floor((high - low) / volts) + 1);
      for (let k = 0; k < count; k++) {
        const y = Math.round(u.valToPos((first + k) * volts, "y", true)) + .5;
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
      }
    }
    ctx.stroke();
  };
  if (small >= 3.5 * devicePixelRatio) draw(.04, .1 * app.millivolt, c["ecg-fine"]);
  if (small * 5 >= 9 * devicePixelRatio) draw(.2, .5 * app.millivolt, c["ecg-coarse"]);
}

/* Bars of `leadSeries`, each reaching to the one before. Rectangles: a line that goes up and down in
   every column takes ten times as long. */
function drawBars(u, bars, colour, scale) {
  const { ctx, bbox } = u, y = u.scales[scale], x = u.scales.x, px = devicePixelRatio;
  const across = bbox.width / (x.max - x.min), up = bbox.height / (y.max - y.min);
  let before = NaN, after = NaN;
  ctx.fillStyle = colour;
  for (let k = 0; k < bars.length; k += 4) {
    let low = bars[k + 2], high = bars[k + 3];
    if (Number.isNaN(low)) { before = NaN; continue; }
    if (before > high) high = before;
    if (after < low) low = after;
    before = bars[k + 2];
    after = bars[k + 3];
    // Whole pixels: two halves side by side are paler than one.
    const left = Math.round(bbox.left + (bars[k] - x.min) * across);
    const wide = Math.max(Math.round(bbox.left + (bars[k + 1] - x.min) * across) - left, 1);
    const top = Math.round(bbox.top + (y.max - high) * up - .6 * px);
    ctx.fillRect(left, top, wide, Math.max(Math.round((high - low) * up + 1.2 * px), 1));
  }
}

/* Below bars, down to 0. */
function drawWash(u, bars, colour, scale, alpha) {
  const { ctx, bbox } = u, y = u.scales[scale], x = u.scales.x;
  const across = bbox.width / (x.max - x.min), up = bbox.height / (y.max - y.min);
  ctx.fillStyle = colour;
  ctx.globalAlpha = alpha;
  for (let k = 0; k < bars.length; k += 4) {
    if (Number.isNaN(bars[k + 3])) continue;
    const left = Math.round(bbox.left + (bars[k] - x.min) * across), right = Math.round(bbox.left + (bars[k + 1] - x.min) * across);
    const top = Math.round(bbox.top + (y.max - bars[k + 3]) * up);
    ctx.fillRect(left, top, right - left, Math.round(bbox.top + y.max * up) - top);
  }
  ctx.globalAlpha = 1;
}

/* Annotated beats: a dot each, a triangle for an anomalous one; from far only these. */
function drawBeats(u, app, c) {
  if (!app.beats) return;
  const { place, anomalous } = app.beats, { from, to } = app.view, { ctx, bbox } = u, px = devicePixelRatio;
  const first = lastAtMost(place, from) + 1, last = lastAtMost(place, to);
  const all = last - first < MOST_BEATS;
  for (let k = first; k <= last; k++) {
    if (!all && !anomalous[k]) continue;
    const x = u.valToPos(place[k], "x", true), y = bbox.top + 22 * px;
    ctx.fillStyle = anomalous[k] ? c.alarm : c.soft;
    ctx.beginPath();
    if (anomalous[k]) {
      ctx.moveTo(x - 4 * px, y - 5 * px);
      ctx.lineTo(x + 4 * px, y - 5 * px);
      ctx.lineTo(x, y + 3 * px);
    } else ctx.arc(x, y, 1.8 * px, 0, 7);
    ctx.fill();
  }
}
