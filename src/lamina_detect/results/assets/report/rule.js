/* Which events there are at a threshold: the rule of `lamina detect`, on the same numbers. */

class Rule {
  constructor(page, store) {
    const f64 = (text) => new Float64Array(bytesOf(text));
    this.page = page;
    this.store = store;
    this.place = f64(page.peaks.place);
    this.height = f64(page.peaks.height);
    this.between = f64(page.peaks.between);
    this.order = [...this.place.keys()].sort((a, b) => this.place[a] - this.place[b]);
    this.stated = new Map(page.events.map((event) => [event.peak, event]));
    this.own = page.threshold === null ? Infinity : page.threshold;
  }

  /* The events, the highest first; as in events.csv. */
  events(threshold) {
    if (threshold === this.own) return this.page.events.map((event) => ({ ...event, ...this.leadsOf(event.peak), exact: true }));
    const groups = this.joined(threshold);
    for (let k = 0; k < Math.min(this.page.rule.listed, this.height.length); k++) {
      if (this.height[k] < threshold) groups.push([k]);
    }
    return groups.map((group) => this.event(group, threshold)).sort((a, b) => b.score - a.score);
  }

  /* How many are alarms, without making them. */
  count(threshold) { return this.joined(threshold).length; }

  joined(threshold) {
    const groups = [], near = this.page.rule.joined * this.page.window, most = this.page.rule.longest * this.page.window;
    let first = -1, last = -1, lowest = Infinity;
    this.order.forEach((k, i) => {
      if (i > 0) lowest = Math.min(lowest, this.between[i - 1]);
      if (!(this.height[k] >= threshold)) return;
      const beside = last >= 0 && (this.place[k] - this.place[last] <= near || lowest > this.endOf(threshold));
      if (beside && this.place[k] - this.place[first] <= most) groups[groups.length - 1].push(k);
      else { groups.push([k]); first = k; }
      last = k;
      lowest = Infinity;
    });
    return groups;
  }

  event(group, threshold) {
    let best = group[0];
    for (const k of group) if (this.height[k] > this.height[best]) best = k;
    const first = this.extent(group[0], threshold), last = this.extent(group[group.length - 1], threshold);
    const peak = this.place[best], known = this.stated.get(peak);
    return {
      start: first.start, end: last.end, exact: first.exact && last.exact, peak, score: this.height[best],
      alarm: this.height[best] >= threshold, one_in: this.oneIn(this.height[best]),
      expert: known ? known.expert : "", nearest: known ? known.nearest : null, ...this.leadsOf(peak),
    };
  }

  leadsOf(peak) {
    if (!this.numberOf) this.numberOf = new Map([...this.place].map((place, k) => [place, k]));
    const k = this.numberOf.get(peak), names = this.page.names;
    if (k === undefined) return { leads: [] };
    return { lead: names[this.page.peaks.lead[k]], leads: this.page.peaks.leads[k].map((i) => names[i]) };
  }

  /* As far around a peak as the score stays above where an event ends. */
  extent(k, threshold) {
    const peak = this.place[k], level = this.endOf(Math.min(threshold, this.height[k])), window = this.page.window;
    const from = Math.max(0, peak - window), to = Math.min(this.page.length, peak + window + 1);
    let exact = true;
    const above = (sample) => {
      const [piece, i] = this.store.finest(sample);
      if (piece.width > 1) exact = false;
      return this.store.scoreOf[piece.score[0][i]] > level;
    };
    let start = peak, end = peak + 1;
    while (start > from && above(start - 1)) start--;
    while (end < to && above(end)) end++;
    return { start, end, exact };
  }

  /* Half of the threshold, or half the way to it from usual windows that score higher than that. */
  endOf(threshold) {
    const { middle } = this.page.tail;
    return threshold / 2 < middle && middle < threshold ? (middle + threshold) / 2 : threshold / 2;
  }

  /* One usual window in so many scores at least so high. */
  oneIn(score) {
    const { middle, high, part } = this.page.tail, steep = Math.max(high - middle, 1e-9) / Math.log(.5 / part);
    return Math.max(1, Math.exp(Math.min((score - high) / steep, 700)) / part);
  }
}
