"use strict";
// Samples that the page keeps: of 12 leads 16 MB.
const KEEP = 300000;
// Milliseconds between two pictures: people see no more, and the browser has time to spare.
const FRAME = 80;
// What a screen shows at once, in windows of the detector.
const SPANS = [10, 50, 200, 1000];
const NICE = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 604800, 2592000, 31536000];

// Beyond it "one window in" is a guess from the tail, and no count.
const MOST = 1e6;
const ENDED = "the line has ended; when it starts again, it is followed";

const $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = (v, digits = 3) => (v === null || v === undefined || Number.isNaN(v) ? "–" : Number(v.toPrecision(digits)).toLocaleString("en", { maximumFractionDigits: 6 }));

let run = null, line = null, ring = null, charts = [], alarms = new Map(), skipped = [];
let span = 0, frozen = null, dirty = false, drawn = 0, received = 0, lost = 0;
let anchor = null, firstAnchor = null, lastStamp = null, arrivals = [], began = 0, over = false;

// The newest KEEP samples; a sample's place is its number.
class Ring {
  constructor(series, first) {
    this.values = Array.from({ length: series }, () => new Float32Array(KEEP).fill(NaN));
    this.first = first;
    this.end = first;
  }
  add(first, columns) {
    if (first > this.end) {
      for (let s = this.end; s < first && s < this.end + KEEP; s++) for (const v of this.values) v[s % KEEP] = NaN;
    }
    columns.forEach((column, i) => {
      const v = this.values[i];
      for (let k = 0; k < column.length; k++) v[(first + k) % KEEP] = column[k] === null ? NaN : column[k];
    });
    this.end = Math.max(this.end, first + columns[0].length);
    this.first = Math.max(this.first, this.end - KEEP);
  }
  get(series, sample) { return this.values[series][sample % KEEP]; }
  // At most two values a column of the screen, the lowest and the highest: no peak is hidden.
  picture(series, a, b, columns) {
    const step = Math.max(1, Math.ceil((b - a) / columns)), xs = [], ys = [], v = this.values[series];
    if (step === 1) {
      for (let s = a; s < b; s++) { const y = v[s % KEEP]; xs.push(s); ys.push(Number.isNaN(y) ? null : y); }
      return [xs, ys];
    }
    for (let s = a - (a % step); s < b; s += step) {
      let low = Infinity, high = -Infinity, at = s, to = s;
      for (let k = Math.max(s, a); k < Math.min(s + step, b); k++) {
        const y = v[k % KEEP];
        if (y < low) { low = y; at = k; }
        if (y > high) { high = y; to = k; }
      }
      if (low === Infinity) { xs.push(s); ys.push(null); continue; }
      if (at <= to) { xs.push(at, to + 0.5); ys.push(low, high); } else { xs.push(to, at + 0.5); ys.push(high, low); }
    }
    return [xs, ys];
  }
}

function rate() {
  if (line.rate) return line.rate;
  if (anchor && firstAnchor && anchor.time > firstAnchor.time) return (anchor.sample - firstAnchor.sample) / (anchor.time - firstAnchor.time);
  return null;
}
// Where a sample lies on the axis: seconds since 1970 where there are times, else since the start.
function place(sample) {
  const r = rate();
  if (anchor && r) return anchor.time + (sample - anchor.sample) / r;
  return r ? sample / r : sample;
}
function sampleAt(x) {
  const r = rate();
  if (anchor && r) return Math.round(anchor.sample + (x - anchor.time) * r);
  return Math.round(r ? x * r : x);
}
function seconds(stamp) {
  const n = Number(stamp);
  if (stamp.trim() !== "" && Number.isFinite(n)) return n > 1e8 && n < 1e10 ? n : n > 1e11 && n < 1e13 ? n / 1000 : null;
  const t = Date.parse(stamp.replace(/^(\d{4}-\d\d-\d\d) /, "$1T"));
  return Number.isNaN(t) ? null : t / 1000;
}
function duration(samples) {
  const r = rate();
  if (!r) return `${samples.toLocaleString("en")} samples`;
  const s = samples / r;
  if (s < 120) return `${number(s)} s`;
  if (s < 7200) return `${number(s / 60)} min`;
  if (s < 172800) return `${number(s / 3600)} h`;
  return `${number(s / 86400)} days`;
}
function clock(sample) {
  const r = rate();
  if (!r) return `sample ${sample.toLocaleString("en")}`;
  if (anchor) return new Date(place(sample) * 1000).toLocaleString("sv");
  return elapsed(sample / r, 1);
}
// As the clock on the wall shows it; with the day where more than one is in sight.
function wall(t, range, step) {
  const text = new Date(t * 1000).toLocaleString("sv");
  if (range > 86400) return step >= 86400 ? text.slice(0, 10) : text.slice(5, 16);
  return step >= 60 ? text.slice(11, 16) : text.slice(11, 19);
}
function elapsed(s, digits) {
  if (s < 0) return "";
  const text = (v) => String(Math.floor(v)).padStart(2, "0");
  const rest = (s % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${text((s % 3600) / 60)}:${rest}` : `${Math.floor(s / 60)}:${rest}`;
}

function begin(told) {
  const again = told.run === run;
  line = told.line;
  for (const alarm of line.alarms) alarms.set(alarm.id, alarm);
  skipped = line.skipped;
  if (!again) {
    run = told.run;
    alarms = new Map(line.alarms.map((a) => [a.id, a]));
    ring = new Ring(line.leads.length + 1, line.first);
    received = lost = 0;
    anchor = firstAnchor = lastStamp = frozen = null;
    $("threshold").textContent = line.threshold === null ? "none" : number(line.threshold);
    if (line.threshold === null) $("none").textContent = "No alarms: what was learned has too few windows to state a rate of false ones, so there is no threshold.";
    $("title").textContent = line.leads.length > 4 ? `${line.leads.length} leads, live` : `${line.leads.join(", ")}, live`;
    fillSpans();
    build();
  }
  if (!again) over = false;
  status(over ? "over" : "live", over ? ENDED : "live");
  arrivals = [];
  began = performance.now();
  table();
  lines();
}

function fillSpans() {
  const r = line.rate, select = $("span"), sizes = new Map();
  for (const count of SPANS) {
    const want = (count * line.window) / (r || 1);
    const nice = r ? NICE.find((n) => n >= want) || want : want;
    const samples = Math.min(KEEP, Math.round(nice * (r || 1)));
    sizes.set(samples, duration(samples));
  }
  sizes.set(KEEP, "all that is kept");
  select.replaceChildren(...[...sizes].map(([value, text]) => new Option(text, value)));
  span = [...sizes.keys()][Math.min(1, sizes.size - 1)];
  select.value = span;
}

function samples(data) {
  const fresh = data.first + data.score.length - Math.max(data.first, ring.end);
  ring.add(data.first, [...data.x, data.score]);
  received += Math.max(0, fresh);
  if (data.time) {
    const timed = anchor !== null;
    const t = seconds(data.time[1]), t0 = seconds(data.time[0]);
    lastStamp = data.time[1];
    if (t0 !== null && !firstAnchor) firstAnchor = { sample: data.first, time: t0 };
    if (t !== null) anchor = { sample: data.first + data.score.length - 1, time: t };
    if (!timed && anchor) build();
  }
  const now = performance.now();
  // What was kept for a newcomer does not say how fast samples come.
  if (now - began > 500) arrivals.push([now, data.score.length]);
  while (arrivals.length > 1 && now - arrivals[0][0] > 5000) arrivals.shift();
  dirty = true;
}

function build() {
  for (const chart of charts) chart.plot.destroy();
  $("charts").replaceChildren();
  const soft = css("--soft"), grid = css("--grid");
  charts = [...line.leads, null].map((lead, i) => {
    const box = document.createElement("div"), name = document.createElement("div");
    const label = document.createElement("span"), value = document.createElement("span");
    const unit = lead === null ? "" : line.units[i];
    label.textContent = lead === null ? "score" : unit ? `${lead} (${unit})` : lead;
    name.className = "name";
    name.append(label, value);
    box.append(name);
    $("charts").append(box);
    const last = lead === null;
    const axis = { stroke: soft, font: "11px system-ui", grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const plot = new uPlot({
      width: width(), height: last ? 150 : 105, legend: { show: false },
      padding: [8, 22, last ? 0 : 8, 0],
      cursor: { sync: { key: "line" }, drag: { x: true, y: false, setScale: false }, points: { show: false }, bind: { dblclick: () => () => { follow(); return null; } } },
      scales: { x: { time: anchor !== null && rate() !== null }, y: last ? { range: (u, low, high) => [0, Math.max(high || 0, (line.threshold || 1) * 1.25)] } : {} },
      axes: [
        { ...axis, size: last ? 30 : 0, space: 80, show: last, values: xlabels() },
        { ...axis, size: 56, values: (u, ticks) => ticks.map((t) => number(t, 5)) },
      ],
      series: [{}, { stroke: css(last ? "--score" : "--signal"), width: 1.25, points: { show: false }, fill: last ? css("--gap") : undefined }],
      hooks: {
        drawClear: [shade],
        draw: last ? [limit] : [],
        setSelect: [(u) => { if (u.select.width > 4) freeze(sampleAt(u.posToVal(u.select.left, "x")), sampleAt(u.posToVal(u.select.left + u.select.width, "x"))); u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false); }],
        setCursor: [(u) => { value.textContent = u.cursor.left >= 0 ? under(u, i) : ""; }],
      },
    }, [[], []], box);
    return { plot };
  });
  dirty = true;
}
function xlabels() {
  if (anchor && rate()) return (u, ticks) => ticks.map((t) => wall(t, ticks[ticks.length - 1] - ticks[0], ticks[1] - ticks[0]));
  return (u, ticks) => ticks.map((t) => (line.rate ? elapsed(t, ticks.length > 1 && ticks[1] - ticks[0] < 1 ? 1 : 0) : t.toLocaleString("en")));
}
function under(u, series) {
  const sample = sampleAt(u.posToVal(u.cursor.left, "x"));
  if (sample < ring.first || sample >= ring.end) return "";
  return `${number(ring.get(series, sample), 5)} at ${clock(sample)}`;
}
function shade(u) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = css("--alarm-wash");
  for (const alarm of alarms.values()) {
    const a = u.valToPos(place(alarm.start), "x", true);
    const b = u.valToPos(place(alarm.end === null ? ring.end : alarm.end), "x", true);
    if (b > bbox.left && a < bbox.left + bbox.width) ctx.fillRect(a, bbox.top, Math.max(b - a, 2), bbox.height);
  }
  ctx.restore();
}
function limit(u) {
  if (line.threshold === null) return;
  const { ctx, bbox } = u, y = u.valToPos(line.threshold, "y", true);
  ctx.save();
  ctx.strokeStyle = css("--alarm");
  ctx.setLineDash([6, 4]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}
const width = () => Math.max(200, $("charts").clientWidth - 14);

function draw(now) {
  requestAnimationFrame(draw);
  if (!dirty || !ring || now - drawn < FRAME) return;
  dirty = false;
  drawn = now;
  const b = frozen ? frozen[1] : ring.end, a = Math.max(ring.first, frozen ? frozen[0] : b - span);
  // Nothing before the first sample, unless there is hardly anything yet.
  const full = frozen ? frozen : [Math.max(b - span, Math.min(ring.first, b - 5 * line.window)), b];
  const columns = width();
  charts.forEach((chart, i) => {
    const [xs, ys] = ring.picture(i, a, Math.max(a, b), columns);
    chart.plot.batch(() => {
      chart.plot.setData([xs.map(place), ys], false);
      chart.plot.setScale("x", { min: place(full[0]), max: place(full[1]) });
    });
  });
  figures();
}
function figures() {
  const score = ring.end > ring.first ? ring.get(line.leads.length, ring.end - 1) : NaN;
  const now = $("now");
  now.textContent = !Number.isNaN(score) ? number(score) : ring.end > ring.first ? "– (gap)" : "–";
  now.className = line.threshold !== null && score >= line.threshold ? "above" : "";
  $("samples").textContent = ring.end.toLocaleString("en");
  const took = arrivals.length > 1 ? (arrivals[arrivals.length - 1][0] - arrivals[0][0]) / 1000 : 0;
  const came = arrivals.slice(1).reduce((sum, [, n]) => sum + n, 0);
  $("speed").textContent = took > 0.5 ? number(came / took) : "–";
  $("last").textContent = lastStamp || (ring.end > ring.first ? clock(ring.end - 1) : "–");
  document.documentElement.dataset.received = received;
  document.documentElement.dataset.lost = lost;
}

function freeze(a, b) {
  frozen = [Math.max(ring.first, Math.min(a, b)), Math.max(a, b)];
  $("pause").setAttribute("aria-pressed", "true");
  $("pause").textContent = "Follow";
  dirty = true;
}
function follow() {
  frozen = null;
  $("pause").setAttribute("aria-pressed", "false");
  $("pause").textContent = "Pause";
  dirty = true;
}

function table() {
  const rows = [...alarms.values()].sort((a, b) => b.id - a.id).map((alarm) => {
    const row = document.createElement("tr"), open = alarm.event === "start";
    const go = document.createElement("button");
    go.type = "button";
    go.textContent = alarm.start_time || clock(alarm.start);
    go.addEventListener("click", () => {
      const w = line.window, end = alarm.end === null ? alarm.start + w : alarm.end;
      if (alarm.start >= ring.first) freeze(alarm.start - 6 * w, end + 3 * w);
      else go.title = "no longer kept on this page";
    });
    const cells = [alarm.id, go, open ? "lasts" : duration(alarm.end - alarm.start), number(alarm.highest), alarm.one_in > MOST ? "over a million" : number(alarm.one_in), alarm.lead];
    cells.forEach((content, i) => {
      const cell = document.createElement("td");
      cell.append(content);
      if (i >= 2 && i <= 4) cell.className = "n";
      row.append(cell);
    });
    row.className = open ? "open" : "";
    return row;
  });
  $("alarms").tBodies[0].replaceChildren(...rows);
  $("alarms").hidden = rows.length === 0;
  $("none").hidden = rows.length > 0;
  $("count").textContent = Math.max(0, ...alarms.keys()).toLocaleString("en");
  const last = [...alarms.values()].filter((a) => a.event === "start").pop();
  $("alarm").hidden = !last;
  if (last) $("alarm").textContent = `Alarm ${last.id} since ${last.start_time || clock(last.start)} in ${last.lead}: score ${number(last.highest)}, threshold ${number(last.threshold)}`;
  document.title = `${last ? "ALARM – " : ""}lamina watch`;
  dirty = true;
}
function lines() {
  $("bad").hidden = skipped.length === 0;
  $("bad").querySelector("ul").replaceChildren(...skipped.slice(-20).map((s) => {
    const item = document.createElement("li");
    item.textContent = `line ${s.line}: ${s.reason}`;
    return item;
  }));
}
function status(kind, text) {
  $("status").className = kind;
  $("state").textContent = text;
}

const source = new EventSource("events");
const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
on("line", begin);
on("samples", samples);
on("alarm", (alarm) => { alarms.set(alarm.id, alarm); table(); });
on("skipped", (told) => { skipped.push(told); lines(); });
on("lost", (count) => { lost += count; status("live", `live; ${lost} messages were sent too long ago and are missing`); });
on("end", () => { over = true; status("over", ENDED); });
source.onerror = () => {
  if (over) return;
  status("", source.readyState === EventSource.CLOSED ? "not answered: open the page again" : "connection lost, trying again");
};

$("span").addEventListener("change", (event) => { span = Number(event.target.value); follow(); });
$("pause").addEventListener("click", () => { if (frozen || !ring) follow(); else freeze(ring.end - span, ring.end); });
new ResizeObserver(() => { for (const chart of charts) if (chart.plot.width !== width()) chart.plot.setSize({ width: width(), height: chart.plot.height }); }).observe($("charts"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => line && build());
requestAnimationFrame(draw);
