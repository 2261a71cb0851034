/* What the page holds of the recording: pieces of one resolution each, decoded. */

const NO_VALUE = -32768, NO_SCORE = 65535, FACTOR = 4, FEW = 1500;

function bytesOf(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes.buffer;
}

class Store {
  constructor(page) {
    this.leads = page.leads;
    this.length = page.length;
    this.scoreOf = new Float32Array(65536);
    for (let k = 0; k < NO_SCORE; k++) this.scoreOf[k] = Math.expm1(k * page.score_step);
    this.scoreOf[NO_SCORE] = NaN;
    const pieces = page.pieces.map(decoded);
    this.groups = byWidth([...pieces, ...coarser(pieces[0])]);
    this.pieces = pieces;
  }

  get whole() { return this.pieces[0]; }

  value(lead, number) {
    return number === NO_VALUE ? NaN : this.leads[lead].offset + this.leads[lead].step * number;
  }

  /* The finest piece that holds a sample, and where in it. */
  finest(sample) {
    for (const group of this.groups) {
      const i = lastAtMost(group.pieces, sample, (piece) => piece.start);
      if (i < 0) continue;
      const piece = group.pieces[i], k = Math.floor((sample - piece.start) / piece.width);
      if (k < piece.count) return [piece, k];
    }
    return [this.whole, Math.min(Math.max(0, Math.floor(sample / this.whole.width)), this.whole.count - 1)];
  }

  /* Stretches that cover `from` to `to`, of about `each` samples: what is finer before what is coarser. */
  cover(from, to, each) {
    const fine = this.groups.filter((g) => g.width <= each).reverse();
    const order = [...fine, ...this.groups.filter((g) => g.width > each)];
    const found = [];
    const fill = (a, b, k) => {
      if (b <= a || k >= order.length) return;
      let at = a;
      for (const piece of order[k].pieces) {
        const end = piece.start + piece.count * piece.width;
        if (end <= at || piece.start >= b) continue;
        const begin = Math.max(at, piece.start), stop = Math.min(b, end);
        fill(at, begin, k + 1);
        found.push({ piece, from: begin, to: stop });
        at = stop;
      }
      fill(at, b, k + 1);
    };
    fill(Math.max(0, from), Math.min(this.length, to), 0);
    return found;
  }
}

function decoded(piece) {
  const signal = piece.signal.map((ends) => ends.map((text) => new Int16Array(bytesOf(text))));
  const score = piece.score.map((text) => new Uint16Array(bytesOf(text)));
  if ([...signal.flat(), ...score].some((array) => array.length !== piece.count)) throw new Error("the data are cut short");
  return { ...piece, low: signal.map((ends) => ends[0]), high: signal.map((ends) => ends[ends.length - 1]), score };
}

/* The same in stretches of 4, 16, 64, ... times the width, so that a far view is quick. */
function coarser(piece) {
  const found = [];
  for (let last = piece; last.count > FEW; ) {
    const count = Math.ceil(last.count / FACTOR);
    const join = (arrays, best, none) => arrays.map((array) => {
      const joined = new array.constructor(count).fill(none);
      for (let i = 0, k = 0; k < count; k++) {
        let held = none;
        for (const end = Math.min(array.length, i + FACTOR); i < end; i++) {
          if (array[i] !== none && (held === none || best(array[i], held))) held = array[i];
        }
        joined[k] = held;
      }
      return joined;
    });
    const less = (a, b) => a < b, more = (a, b) => a > b;
    last = {
      start: 0, width: last.width * FACTOR, count,
      low: join(last.low, less, NO_VALUE), high: join(last.high, more, NO_VALUE), score: join(last.score, more, NO_SCORE),
    };
    found.push(last);
  }
  return found;
}

function byWidth(pieces) {
  const groups = new Map();
  for (const piece of pieces) {
    if (!groups.has(piece.width)) groups.set(piece.width, { width: piece.width, pieces: [] });
    groups.get(piece.width).pieces.push(piece);
  }
  for (const group of groups.values()) group.pieces.sort((a, b) => a.start - b.start);
  return [...groups.values()].sort((a, b) => a.width - b.width);
}
