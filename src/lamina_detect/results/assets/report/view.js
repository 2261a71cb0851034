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
  const x = [], ranges = [];
  for (const part of parts) {
    const { kind, piece, first, last } = part, at = (k) => piece.start + k * piece.width;
    part.begin = ranges.length;
    if (kind === "columns") {
      const step = Math.max(1, each / piece.width);
      for (let a = first; a < last; ) {
        const b = Math.min(last, Math.max(a + 1, Math.floor(a + step)));
        ranges.push(a, b);
        x.push(at(a), at(a) + (b - a) * piece.width / 2);
        a = b;
      }
    } else {
      for (let k = first; k < last; k++) {
        ranges.push(k, k + 1);
        x.push(at(k));
      }
      // A block ends where the next one begins.
      if (kind === "stretches") x.push(Math.min(at(last), store.length) - 1e-6);
    }
    part.end = ranges.length;
  }
  return { parts, x, ranges };
}

/* `[x, line, low, high]` of a lead, NaN being no sample; and the lowest and highest of them. */
function leadSeries(store, columns, lead) {
  const { x, parts, ranges } = columns, n = x.length;
  const line = new Array(n).fill(null), low = new Array(n).fill(null), high = new Array(n).fill(null);
  let least = Infinity, most = -Infinity, at = 0;
  const { offset, step } = store.leads[lead];
  for (const { kind, piece, begin, end } of parts) {
    const lows = piece.low[lead], highs = piece.high[lead];
    for (let r = begin; r < end; r += 2) {
      let a = 32767, b = NO_VALUE;
      for (let k = ranges[r]; k < ranges[r + 1]; k++) {
        if (lows[k] === NO_VALUE) continue;
        if (lows[k] < a) a = lows[k];
        if (highs[k] > b) b = highs[k];
      }
      const none = b === NO_VALUE, bottom = none ? null : offset + step * a, top = none ? null : offset + step * b;
      if (!none) { least = Math.min(least, bottom); most = Math.max(most, top); }
      if (kind === "samples") line[at++] = bottom;
      else if (kind === "columns") { line[at] = bottom; line[at + 1] = top; at += 2; }
      else { low[at] = bottom; high[at] = top; at++; }
    }
    if (kind === "stretches") { low[at] = low[at - 1]; high[at] = high[at - 1]; at++; }
  }
  return { data: [x, line, low, high], least, most };
}

/* `[x, highest, block]` of a score: 0 the retrospective, 1 the causal one. */
function scoreSeries(store, columns, which, form = (s) => s) {
  const { x, parts, ranges } = columns, n = x.length;
  const line = new Array(n).fill(null), block = new Array(n).fill(null);
  let most = 0, at = 0;
  for (const { kind, piece, begin, end } of parts) {
    const numbers = piece.score[which];
    for (let r = begin; r < end; r += 2) {
      let best = -1;
      for (let k = ranges[r]; k < ranges[r + 1]; k++) if (numbers[k] !== NO_SCORE && numbers[k] > best) best = numbers[k];
      const value = best < 0 ? null : store.scoreOf[best];
      if (value > most) most = value;
      const drawn = value === null ? null : form(value);
      if (kind === "columns") { line[at] = line[at + 1] = drawn; at += 2; }
      else if (kind === "samples") line[at++] = drawn;
      else block[at++] = drawn;
    }
    if (kind === "stretches") { block[at] = block[at - 1]; at++; }
  }
  return { line, block, most };
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
