"""A report in headless Chromium, driven as a person would; skipped where there is none."""

import contextlib
import shutil

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]

# Until nothing waits to be drawn. Not `wait_for_function`: the page's policy forbids what it does.
SETTLED = """() => new Promise(done => {
  const wait = () => window.lamina && lamina.app.frame ? setTimeout(wait, 5)
    : requestAnimationFrame(() => setTimeout(done));
  wait();
})"""

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@contextlib.contextmanager
def chromium():
    """A browser; its pages are opened by `opened`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(browser, report, fragment="", script=True, context=None, **options):
    """A page of a report. At its end: no error was printed, and nothing asked of another host.

    Args:
        browser: Of `chromium`.
        report: Path of the file.
        fragment: Of its address, such as "#event=3".
        script: Whether JavaScript runs.
        context: Of an earlier page, whose storage is there still.
        options: Of Playwright's `new_context`.
    """
    own = context is None
    options.setdefault("viewport", {"width": 1280, "height": 900})
    context = context or browser.new_context(java_script_enabled=script, **options)
    page = context.new_page()
    wrong = []
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: None if local(r.url) else wrong.append(f"asks for {r.url}"))
    page.goto(report.as_uri() + fragment)
    if script:
        page.evaluate(SETTLED)
    yield page
    page.close()
    if own:
        context.close()
    assert not wrong, wrong


def local(address):
    return address.startswith(("file:", "data:", "blob:"))


def span(page):
    """The samples that are shown, from and to."""
    page.evaluate(SETTLED)
    return page.evaluate("[lamina.app.view.from, lamina.app.view.to]")


def middle_of(page, selector):
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
