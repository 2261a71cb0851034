/* Wheel, drag and two fingers on the charts; and the keys. */

const ENOUGH = 4;

function listenToPointers(app) {
  const root = $("detail"), fingers = new Map();
  let from = null, moved = false, apart = 0, marquee = null;
  const over = () => app.lanes.score.plot.over.getBoundingClientRect();
  const sampleAt = (clientX) => { const box = over(); return app.view.from + (clientX - box.left) / box.width * app.view.span; };

  $("charts").addEventListener("wheel", (event) => {
    const zoomedOut = app.view.isWhole && event.deltaY > 0;
    if (event.ctrlKey || !zoomedOut || event.deltaX) event.preventDefault();
    const size = event.deltaMode === 1 ? 30 : 1;
    const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) app.view.pan(across * size / over().width * app.view.span);
    else app.view.zoom(Math.exp(Math.max(-300, Math.min(300, event.deltaY * size)) * .0022), sampleAt(event.clientX));
  }, { passive: false });

  root.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest(".handle")) return;
    fingers.set(event.pointerId, event.clientX);
    root.setPointerCapture(event.pointerId);
    moved = false;
    if (fingers.size === 2) { apart = distance(); return; }
    from = { x: event.clientX, sample: sampleAt(event.clientX), view: app.view.from };
    if (event.shiftKey) { marquee = element("div", { className: "marquee" }); root.append(marquee); }
  });

  const distance = () => { const [a, b] = [...fingers.values()]; return Math.max(20, Math.abs(a - b)); };

  root.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size === 2) {
      const now = distance(), [a, b] = [...fingers.values()];
      app.view.zoom(apart / now, sampleAt((a + b) / 2));
      apart = now;
      from = null;
      return;
    }
    if (!from) return;
    if (!moved && Math.abs(event.clientX - from.x) < ENOUGH) return;
    moved = true;
    if (marquee) {
      const box = root.getBoundingClientRect(), [a, b] = [from.x, event.clientX].sort((x, y) => x - y);
      marquee.style.left = `${a - box.left}px`;
      marquee.style.width = `${b - a}px`;
      return;
    }
    root.classList.add("panning");
    const shift = (event.clientX - from.x) / over().width * app.view.span;
    app.view.show(from.view - shift, from.view - shift + app.view.span);
  });

  const end = (event) => {
    fingers.delete(event.pointerId);
    root.classList.remove("panning");
    if (from && event.type === "pointerup") {
      if (marquee && moved) { const [a, b] = [from.sample, sampleAt(event.clientX)].sort((x, y) => x - y); app.view.show(a, b, true); }
      else if (!moved) clicked(from.sample);
    }
    marquee?.remove();
    marquee = null;
    from = null;
  };
  root.addEventListener("pointerup", end);
  root.addEventListener("pointercancel", end);
  root.addEventListener("dblclick", () => app.view.whole());

  /* On an event: it is the current one. */
  const clicked = (sample) => {
    const near = 6 / over().width * app.view.span;
    const found = app.events.find((event) => sample >= event.start - near && sample <= event.end + near);
    if (!found || found === app.current) return;
    app.current = found;
    app.bar();
    app.table.here();
    app.hash();
    app.moved();
  };
}

function listenToKeys(app) {
  const pan = (part) => () => app.view.pan(part * app.view.span);
  const mark = (name) => () => { if (app.current) app.mark(app.current.peak, { [name]: !app.marks.get(app.current.peak)[name] }); };
  const keys = {
    n: () => app.step(1), j: () => app.step(1), p: () => app.step(-1), k: () => app.step(-1),
    ArrowLeft: pan(-.2), ArrowRight: pan(.2), PageUp: pan(-.9), PageDown: pan(.9),
    "+": () => app.view.zoom(.5), "=": () => app.view.zoom(.5), "-": () => app.view.zoom(2), "−": () => app.view.zoom(2),
    0: () => app.view.whole(), Home: () => app.view.show(-.5, app.view.span), End: () => app.view.show(app.page.length - app.view.span, app.page.length),
    Backspace: () => app.view.back(), l: mark("seen"), f: mark("false"), m: () => $("bar-note")?.focus(),
    t: () => app.threshold.handle.focus(), e: () => { if (app.isEcg) app.togglePaper(); }, g: () => app.toggleLogarithm(), "?": () => app.toggleHelp(),
  };
  // Keys that move the page stay the page's unless the charts have the focus.
  const ofPage = new Set(["ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End"]);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input[type=text], input[type=number], textarea, select")) { if (event.key === "Escape" || event.key === "Enter") event.target.blur(); return; }
    const action = keys[event.key];
    const charts = event.target.closest?.("#charts"), aside = event.key.startsWith("Arrow") && event.target === document.body;
    if (!action || (ofPage.has(event.key) && !charts && !aside)) return;
    event.preventDefault();
    action();
  });
}
