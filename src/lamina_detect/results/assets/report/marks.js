/* What people say of the events: looked at, false, a note. Kept by the browser where it can. */

const MARKS = "lamina marks 1", PREFIX = "lamina-marks:";

class Marks {
  constructor(page) {
    this.page = page;
    this.kept = new Map();
    this.lasting = true;
    try {
      const text = localStorage.getItem(PREFIX + page.id);
      if (text) this.take(JSON.parse(text).marks);
    } catch { this.lasting = false; }
  }

  get(peak) { return this.kept.get(peak) || { seen: false, false: false, note: "" }; }

  set(peak, change) {
    const mark = { ...this.get(peak), ...change };
    if (mark.seen || mark.false || mark.note) this.kept.set(peak, mark); else this.kept.delete(peak);
    this.keep();
  }

  take(marks) {
    for (const { peak, seen, false: wrong, note } of marks) {
      if (Number.isFinite(peak)) this.kept.set(peak, { seen: !!seen, false: !!wrong, note: String(note || "") });
    }
  }

  keep() {
    try {
      const value = { recording: this.page.name, marks: this.list() };
      localStorage.setItem(PREFIX + this.page.id, JSON.stringify(value));
    } catch { this.lasting = false; }
  }

  list() { return [...this.kept].map(([peak, mark]) => ({ peak, ...mark })); }

  /* Marks of other results of a recording of this name, which the browser still holds. */
  earlier() {
    const found = [];
    try {
      for (let i = 0; i < localStorage.length; i++) {
        const key = localStorage.key(i);
        if (!key.startsWith(PREFIX) || key === PREFIX + this.page.id) continue;
        const held = JSON.parse(localStorage.getItem(key));
        if (held.recording === this.page.name) found.push(...held.marks);
      }
    } catch { /* nothing is held, or it cannot be read */ }
    return found;
  }

  asJson(events, clock) {
    const known = new Map(events.map((event) => [event.peak, event]));
    const marks = this.list().map((mark) => ({ ...mark, time: clock.text(mark.peak), score: known.get(mark.peak)?.score ?? null }));
    return JSON.stringify({ format: MARKS, result: this.page.id, recording: this.page.name, marks }, null, 1) + "\n";
  }

  asCsv(events, clock, threshold) {
    const rows = [["event", "time", "peak", "score", "alarm", "threshold", "lead", "looked_at", "false", "note", "recording", "result"]];
    const listed = new Set();
    const row = (number, event) => {
      const mark = this.get(event.peak);
      const alarm = event.alarm === undefined ? "" : Number(event.alarm);
      const stated = Number.isFinite(threshold) ? threshold : "";
      rows.push([number, safeText(clock.text(event.peak)), event.peak, event.score ?? "", alarm, stated, safeText(event.lead || ""),
        Number(mark.seen), Number(mark.false), safeText(mark.note), safeText(this.page.name), this.page.id]);
      listed.add(event.peak);
    };
    events.forEach((event, i) => row(i + 1, event));
    // What was marked at another threshold is no event of this one, and is not lost.
    for (const peak of this.kept.keys()) if (!listed.has(peak)) row("", { peak });
    return rows.map((cells) => cells.map(cell).join(",") + "\r\n").join("");
  }

  /* What a file of marks says: the marks, and whether they are of this result. */
  read(content) {
    let held;
    try { held = JSON.parse(content); } catch { throw new Error("this is no file of marks: not JSON, or cut short"); }
    if (!held || held.format !== MARKS || !Array.isArray(held.marks)) throw new Error("this is no file of marks of a lamina report");
    return { marks: held.marks.filter((mark) => Number.isFinite(mark?.peak)), own: held.result === this.page.id, recording: String(held.recording) };
  }
}

/* A spreadsheet shows such a text and does not run it. */
function safeText(value) {
  return /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
}

function cell(value) {
  const shown = String(value);
  return /[",\r\n]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
}

function download(name, type, content) {
  const link = element("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
