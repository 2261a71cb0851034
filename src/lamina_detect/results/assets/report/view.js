/* What is shown: from which sample to which; and what of the data that is, column by column. */

const LEAST_SAMPLES = 10;

class View {
  constructor(length, changed) {
    this.length = length;
    this.changed = changed;
    this.past = [];
    this.from = -.5;
    this.to = length - .5;
  }

  get span() { return this.to - this.from; }
  get isWhole() { return this.span >= this.length; }

  /* `jump`: one can come back from it. */
  show(from, to, jump = false) {
    const span = Math.min(Math.max(to - from, Math.min(LEAST_SAMPLES, this.length)), this.length);
    const middle = (from + to) / 2;
    const begin = Math.min(Math.max(middle - span / 2, -.5), this.length - .5 - span);
    if (begin === this.from && begin + span === this.to) return;
    if (jump) this.past.push([this.from, this.to]);
    this.from = begin;
    this.to = begin + span;
    this.changed();
  }

  whole() { this.show(-.5, this.length - .5, true); }
  pan(samples) { this.show(this.from + samples, this.to + samples); }

  zoom(factor, at = (this.from + this.to) / 2) {
    const span = Math.min(Math.max(this.span * factor, LEAST_SAMPLES), this.length);
    const part = (at - this.from) / this.span;
    this.show(at - part * span, at - part * span + span);
  }

  back() {
    const before = this.past.pop();
    if (before) this.show(...before);
  }
}

/* What stands in the columns of a chart `pixels` wide, of the same kind for every lead:
   "samples" of every sample, "columns" of the lowest and highest in each column, and "stretches",
   where what the page holds is coarser than a pixel: one block for each. */
function columnsOf(store, view, pixels) {
  const each = view.span / pixels, parts = [];
  for (const { piece, from, to } of store.cover(Math.floor(view.from), Math.ceil(view.to) + 1, each)) {
    const first = Math.max(0, Math.floor((from - piece.start) / piece.width));
    const last = Math.min(piece.count, Math.ceil((to - piece.start) / piece.width));
    if (last <= first) continue;
    const kind = piece.width > 1.5 * each ? (piece.width === 1 ? "samples" : "stretches") : each < 2 && piece.width === 1 ? "samples" : "columns";
    parts.push({ kind, piece, first, last });
  }
  const ranges = [];
  for (const part of parts) {
    const { kind, piece, first, last } = part;
    const step = kind === "columns" ? Math.max(1, each / piece.width) : 1;
    part.begin = ranges.length;
    for (let a = first; a < last; ) {
      const b = Math.min(last, Math.max(a + 1, Math.floor(a + step)));
      ranges.push(a, b);
      a = b;
    }
    part.end = ranges.length;
  }
  return { parts, ranges };
}

/* A lead as uPlot draws it, `data`: `[x, line, low, high]`; as bars where many samples share a column,
   `bars`: four numbers each, from, to, low, high, NaN where there is no sample; and its limits. */
function leadSeries(store, columns, lead) {
  const x = [], line = [], low = [], high = [], bars = [], { offset, step } = store.leads[lead];
  let least = Infinity, most = -Infinity;
  for (const { kind, piece, begin, end, last } of columns.parts) {
    const lows = piece.low[lead], highs = piece.high[lead];
    for (let r = begin; r < end; r += 2) {
      let a = 32767, b = NO_VALUE;
      for (let k = columns.ranges[r]; k < columns.ranges[r + 1]; k++) {
        if (lows[k] === NO_VALUE) continue;
        if (lows[k] < a) a = lows[k];
        if (highs[k] > b) b = highs[k];
      }
      const none = b === NO_VALUE, bottom = none ? NaN : offset + step * a, top = none ? NaN : offset + step * b;
      if (!none) { least = Math.min(least, bottom); most = Math.max(most, top); }
      const at = piece.start + columns.ranges[r] * piece.width;
      if (kind === "columns") { bars.push(at, piece.start + columns.ranges[r + 1] * piece.width, bottom, top); continue; }
      x.push(at);
      line.push(none || kind === "stretches" ? null : bottom);
      low.push(none || kind === "samples" ? null : bottom);
      high.push(none || kind === "samples" ? null : top);
    }
    // A block ends where the next one begins; a line ends before bars.
    if (kind === "columns") { if (x.length) gap(x, [line, low, high], piece.start + last * piece.width); continue; }
    if (kind === "stretches") {
      x.push(Math.min(piece.start + last * piece.width, store.length) - 1e-6);
      line.push(null);
      low.push(low[low.length - 1]);
      high.push(high[high.length - 1]);
    }
  }
  return { data: [x, line, low, high], bars, least, most };
}

function gap(x, arrays, at) {
  x.push(at - 1e-6);
  for (const array of arrays) array.push(null);
}

/* The highest of a score in each place: `[x, line, block]` as uPlot draws it, and `bars` where many
   samples share a column; 0 the retrospective, 1 the causal one. */
function scoreSeries(store, columns, which, form = (s) => s) {
  const x = [], line = [], block = [], bars = [];
  let most = 0;
  for (const { kind, piece, begin, end, last } of columns.parts) {
    const numbers = piece.score[which];
    for (let r = begin; r < end; r += 2) {
      let best = -1;
      for (let k = columns.ranges[r]; k < columns.ranges[r + 1]; k++) if (numbers[k] !== NO_SCORE && numbers[k] > best) best = numbers[k];
      const value = best < 0 ? null : store.scoreOf[best], drawn = value === null ? null : form(value);
      if (value > most) most = value;
      const at = piece.start + columns.ranges[r] * piece.width;
      if (kind === "columns") { bars.push(at, piece.start + columns.ranges[r + 1] * piece.width, drawn ?? NaN, drawn ?? NaN); continue; }
      x.push(at);
      line.push(kind === "stretches" ? null : drawn);
      block.push(kind === "stretches" ? drawn : null);
    }
    if (kind === "columns") { if (x.length) gap(x, [line, block], piece.start + last * piece.width); continue; }
    if (kind === "stretches") {
      x.push(Math.min(piece.start + last * piece.width, store.length) - 1e-6);
      line.push(null);
      block.push(block[block.length - 1]);
    }
  }
  return { data: [x, line, block], bars, most };
}

/* What a view is made of, in words. */
function resolutionText(columns, clock) {
  const kinds = new Set(columns.parts.map((part) => (part.piece.width === 1 ? "every sample" : "stretches")));
  const coarse = Math.max(...columns.parts.map((part) => part.piece.width), 1);
  const stretch = `the lowest and the highest of each ${clock.length_text(coarse)}`;
  if (!kinds.has("stretches")) return "Shown: every sample counts.";
  if (!columns.parts.some((part) => part.kind === "stretches")) return `Shown: lowest and highest, column by column; no peak is left out.`;
  return kinds.size > 1 ? `Shown: every sample around events, ${stretch} between them (pale).`
    : `Shown: ${stretch} (pale): the page holds no more here.`;
}
