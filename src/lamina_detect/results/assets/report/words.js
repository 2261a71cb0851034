/* Numbers, lengths of time and small things of the page, for people. */

const $ = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/* So many significant digits, without an exponent where people would not write one. */
function digits(value, significant = 3) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(significant - 1);
  return String(Number(value.toPrecision(significant)));
}

function decimals(value, step) {
  const places = Math.min(10, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  const shown = value.toFixed(places);
  return Math.abs(value) >= 1e7 ? value.toExponential(5) : shown.replace(/^-(0(\.0*)?)$/, "$1");
}

function spanText(seconds) {
  const two = (first, one, second, other) => {
    const rounded = Math.round(seconds / second) * second;
    const rest = Math.round((rounded % first) / second);
    return `${Math.floor(rounded / first)} ${one}${rest ? ` ${rest} ${other}` : ""}`;
  };
  if (seconds < 60) return `${digits(seconds)} s`;
  if (seconds < 3600) return two(60, "min", 1, "s");
  if (seconds < 2 * 86400) return two(3600, "h", 60, "min");
  if (seconds < 60 * 86400) return two(86400, "days", 3600, "h");
  if (seconds < 730 * 86400) return `${Math.round(seconds / 86400)} days`;
  return `${(seconds / 31557600).toFixed(1)} years`;
}

function oneInText(oneIn) {
  if (!(oneIn > 1)) return "";
  if (oneIn >= 1e6) return "over a million";
  return Number(oneIn.toPrecision(2)).toLocaleString("en");
}

function shorten(name, longest = 60) {
  if (name.length <= longest) return name;
  const end = Math.floor(longest / 3);
  return `${name.slice(0, longest - end - 1)}…${name.slice(-end)}`;
}

/* The last index of a sorted array whose `key` is at most `value`; -1 if there is none. */
function lastAtMost(array, value, key = (item) => item) {
  let low = 0, high = array.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(array[middle]) <= value) low = middle + 1; else high = middle;
  }
  return low - 1;
}

function later(action, wait) {
  let timer = 0;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => action(...given), wait); };
}
