/* Times of samples: where the ticks of an axis stand, and how a time is written. */

const STEPS = [
  1e-4, 2e-4, 5e-4, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
  3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600,
];
const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120, 240];
const MONTH = 2629800;

class Clock {
  constructor(times, length) {
    Object.assign(this, times);
    this.length = length;
    this.known = times.known || [];
    this.zone = times.zone || [];
    this.dates = this.kind === "dates";
  }

  get timed() { return this.dates || this.kind === "seconds"; }

  /* Seconds for dates and seconds; else the number itself. */
  at(sample) {
    if (this.kind === "samples") return sample;
    if (this.kind === "seconds") return sample / this.rate;
    const known = this.known, scale = this.dates ? 1000 : 1;
    if (known.length < 2) return known.length ? known[0][1] / scale : sample;
    const i = Math.min(Math.max(lastAtMost(known, sample, (pair) => pair[0]), 0), known.length - 2);
    const [s0, t0] = known[i], [s1, t1] = known[i + 1];
    return (t0 + (sample - s0) / (s1 - s0) * (t1 - t0)) / scale;
  }

  sampleAt(time) {
    if (this.kind === "samples") return time;
    if (this.kind === "seconds") return time * this.rate;
    const known = this.known, value = time * (this.dates ? 1000 : 1);
    if (known.length < 2) return 0;
    const i = Math.min(Math.max(lastAtMost(known, value, (pair) => pair[1]), 0), known.length - 2);
    const [s0, t0] = known[i], [s1, t1] = known[i + 1];
    return s0 + (t1 > t0 ? (value - t0) / (t1 - t0) : 0) * (s1 - s0);
  }

  /* Seconds that the wall's clock is ahead of UTC. */
  ahead(time) {
    const i = lastAtMost(this.zone, time * 1000, (pair) => pair[0]);
    return i < 0 ? (this.zone.length ? this.zone[0][1] / 1000 : 0) : this.zone[i][1] / 1000;
  }

  /* One sample's time; `step`: the seconds that matter. */
  text(sample, step = this.step(sample)) {
    const place = Math.round(Math.min(Math.max(sample, 0), this.length - 1));
    if (this.kind === "samples") return `sample ${place.toLocaleString("en")}`;
    const time = this.at(place);
    if (this.kind === "numbers") return digits(time, 9);
    const places = step >= 1 ? 0 : Math.min(4, Math.ceil(-Math.log10(step) - 1e-9));
    return this.dates ? this.dateText(time, places, step >= 86400) : elapsed(time, places);
  }

  step(sample) {
    return this.rate ? 1 / this.rate : Math.abs(this.at(sample + 1) - this.at(sample)) || 1;
  }

  dateText(time, places, dayOnly = false) {
    const wall = Number((time + this.ahead(time)).toFixed(places)) * 1000;
    const iso = new Date(wall).toISOString();
    if (dayOnly && iso.slice(11, 19) === "00:00:00") return iso.slice(0, 10);
    return `${iso.slice(0, 10)} ${iso.slice(11, 19)}${places ? iso.slice(19, 20 + Math.min(places, 3)) : ""}`;
  }

  /* A length of samples. */
  length_text(samples) {
    if (this.rate) return spanText(samples / this.rate);
    return plural(Math.round(samples), "sample");
  }

  /* `[sample, label]` for an axis from `from` to `to`, with room for `most` labels. */
  ticks(from, to, most) {
    if (!this.timed) return this.plainTicks(from, to, most);
    const first = this.at(from), last = this.at(to), rough = (last - first) / Math.max(most, 1);
    const shift = this.dates ? this.ahead((first + last) / 2) : 0;
    if (this.dates && rough > 1209600) return this.monthTicks(first + shift, last + shift, rough / MONTH, shift);
    const step = STEPS.find((s) => s >= rough) || Math.ceil(rough / 86400) * 86400;
    const found = [];
    for (let k = Math.ceil((first + shift) / step - 1e-9); k * step <= last + shift + 1e-9; k++) {
      const wall = k * step;
      found.push([this.sampleAt(wall - shift), wall]);
      if (found.length > 200) break;
    }
    return this.labelled(spaced(found, (to - from) / most / 2), step);
  }

  monthTicks(first, last, rough, shift) {
    const step = MONTHS.find((m) => m >= rough) || Math.ceil(rough / 120) * 120;
    const begin = new Date(first * 1000), found = [];
    let month = Math.ceil((begin.getUTCFullYear() * 12 + begin.getUTCMonth()) / step) * step;
    for (; found.length < 200; month += step) {
      const wall = Date.UTC(Math.floor(month / 12), month % 12, 1) / 1000;
      if (wall > last) break;
      if (wall >= first) found.push([this.sampleAt(wall - shift), wall]);
    }
    return found.map(([sample, wall]) => {
      const iso = new Date(wall * 1000).toISOString();
      return [sample, step >= 12 ? iso.slice(0, 4) : iso.slice(0, 7)];
    });
  }

  labelled(found, step) {
    const places = step >= 1 ? 0 : Math.ceil(-Math.log10(step) - 1e-9);
    let day = "";
    return found.map(([sample, wall]) => {
      if (!this.dates) return [sample, elapsed(wall, places)];
      const iso = new Date(Math.round(wall * 1e6) / 1e3).toISOString(), date = iso.slice(0, 10);
      if (step >= 86400) return [sample, date];
      const clock = iso.slice(11, step >= 60 ? 16 : 19) + (places ? iso.slice(19, 20 + Math.min(places, 3)) : "");
      const label = date === day ? clock : `${clock}\n${date}`;
      day = date;
      return [sample, label];
    });
  }

  plainTicks(from, to, most) {
    const first = this.at(from), last = this.at(to), rough = (last - first) / Math.max(most, 1);
    const size = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= rough);
    const found = [];
    for (let k = Math.ceil(first / step); k * step <= last && found.length < 200; k++) {
      const value = k * step;
      found.push([this.sampleAt(value), Number(value.toPrecision(10)).toLocaleString("en", { maximumFractionDigits: 6 })]);
    }
    return found;
  }
}

function elapsed(seconds, places = 2) {
  const rounded = Number(seconds.toFixed(places)), whole = Math.floor(rounded);
  const days = Math.floor(whole / 86400), hours = Math.floor(whole / 3600) % 24, minutes = Math.floor(whole / 60) % 60;
  const two = (n) => String(n).padStart(2, "0");
  const rest = (rounded - Math.floor(whole / 60) * 60).toFixed(places).padStart(places ? 3 + places : 2, "0");
  return `${days ? `${days} d ` : ""}${days || hours ? `${hours}:` : ""}${two(minutes)}:${rest}`;
}

function spaced(found, least) {
  let last = -Infinity;
  return found.filter(([sample]) => { const keep = sample - last >= least; if (keep) last = sample; return keep; });
}
