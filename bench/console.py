"""What the console costs a browser: frames, long tasks, heap and time to be ready; `python -m bench.console`.

A headless Chromium against a system of its own. Each figure stands beside the limit that it is held to.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.reported_jobs import Jobs
from tests.support.system import System, start_system

LINES = 1_000_000
POINTS = 100_000
MODELS = 10_000
ROWS = 100_000
"""Of an evaluation: as many as one report can hold, without a space in it."""
STREAM_S = 15

_LONG_TASKS = """
    window.longest = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
    }).observe({ type: 'longtask', buffered: true });
"""
_SCROLL = """async (seconds) => {
    const log = document.querySelector('.log-scroller');
    const range = log.scrollHeight - log.clientHeight;
    const began = performance.now();
    let frames = 0;
    while (performance.now() - began < seconds * 1000) {
        const part = (performance.now() - began) / seconds / 1000;
        log.scrollTop = range * (part < 0.5 ? part * 2 : 0.25 + part / 1000 + 0.1 * Math.sin(part * 40));
        await new Promise(requestAnimationFrame);
        frames += 1;
    }
    return frames / seconds;
}"""


def show(what: str, figure: float, limit: float, unit: str, *, at_least: bool = False) -> None:
    reached = figure >= limit if at_least else figure <= limit
    sign = "≥" if at_least else "≤"
    verdict = "reached" if reached else "NOT reached"
    print(f"{what:<58}{figure:>10,.1f} {unit:<10} {sign} {limit:>8,.0f}  {verdict}", flush=True)


def new_page(browser: Browser, system: System) -> Page:
    page = browser.new_page(base_url=system.url, viewport={"width": 1440, "height": 900})
    page.set_default_timeout(120_000)
    page.add_init_script(_LONG_TASKS)
    return page


def heap_mb(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"]) / 1e6


def ready_ms(page: Page, path: str, shown: str) -> float:
    began = time.monotonic()
    page.goto(path)
    page.locator(shown).first.wait_for()
    return (time.monotonic() - began) * 1000


def scroll_a_long_log(browser: Browser, system: System, jobs: Jobs) -> None:
    job = jobs.make(name="long")
    for start in range(0, LINES, 100_000):
        jobs.push(
            job, (f"{{'loss': {number / LINES:.4f}, 'step': {number}}}" for number in range(start, start + 100_000))
        )
    jobs.change(job, status="completed")
    page = new_page(browser, system)
    show(f"{LINES:,} lines: until the end is shown", ready_ms(page, f"/ui/jobs/{job}", ".log-row.of-info"), 1_000, "ms")
    frames = page.evaluate(_SCROLL, 10)
    show("  scrolled from end to end", frames, 30, "frames/s", at_least=True)
    show("  heap", heap_mb(page), 100, "MB")
    show("  longest task", page.evaluate("longest"), 100, "ms")
    page.close()


def follow_a_fast_log(browser: Browser, system: System, jobs: Jobs) -> None:
    job = jobs.make(name="fast")
    page = new_page(browser, system)
    page.goto(f"/ui/jobs/{job}")
    page.locator(".live.good").wait_for()
    page.evaluate("longest = 0")
    pushing = threading.Thread(target=push_steadily, args=(jobs, job))
    pushing.start()
    while pushing.is_alive():
        page.wait_for_timeout(200)
    page.get_by_text(f"{STREAM_S * 1000:,} lines").wait_for()
    show(f"1,000 lines a second for {STREAM_S} s: longest task", page.evaluate("longest"), 100, "ms")
    show("  heap", heap_mb(page), 100, "MB")
    page.close()


def push_steadily(jobs: Jobs, job: int) -> None:
    began = time.monotonic()
    for tick in range(STREAM_S * 10):
        jobs.push(job, [f"line {number}" for number in range(tick * 100, tick * 100 + 100)])
        time.sleep(max(0.0, began + (tick + 1) / 10 - time.monotonic()))


def draw_a_long_curve(browser: Browser, system: System, jobs: Jobs) -> None:
    job = jobs.make(name="curve")
    jobs.report(job, [{"step": step, "values": {"loss": 1 / (step + 1), "lr": 0.1}} for step in range(POINTS)])
    began = time.monotonic()
    system.get(f"/jobs/{job}/metrics?max_points=10000").raise_for_status()
    api_ms = (time.monotonic() - began) * 1000
    page = new_page(browser, system)
    drawn_ms = ready_ms(page, f"/ui/jobs/{job}", ".curve")
    show(f"{POINTS:,} points: until they are drawn, less the API's {api_ms:,.0f}", drawn_ms - api_ms, 1_000, "ms")
    page.evaluate("longest = 0")
    for smoothing in range(1, 100, 7):
        page.get_by_label("Smoothing").fill(str(smoothing / 100))
        page.wait_for_timeout(50)
    show("  smoothed anew: longest task", page.evaluate("longest"), 100, "ms")
    page.close()


def list_many_models(browser: Browser, system: System) -> None:
    for number in range(MODELS):
        system.request("POST", "/models", json={"name": f"model {number}", "base_model": f"base {number % 7}"})
    page = new_page(browser, system)
    show(f"{MODELS:,} models: until the list is shown", ready_ms(page, "/ui/models", "tbody tr"), 1_000, "ms")
    show("  its last page", ready_ms(page, f"/ui/models?page={MODELS // 25}", "tbody tr"), 1_000, "ms")
    page.close()


def show_a_large_evaluation(browser: Browser, system: System) -> None:
    evaluation = evaluation_of_many_rows(system)
    page = new_page(browser, system)
    path = f"/ui/evaluations/{evaluation}"
    show(f"an evaluation of {ROWS:,} rows: until its rows are shown", ready_ms(page, path, ".pair"), 1_000, "ms")
    show("  its last row", ready_ms(page, f"{path}?row={ROWS}", f"#row-{ROWS}"), 1_000, "ms")
    show("  those that only one got right", ready_ms(page, f"{path}?winner=fine_tuned", ".pair"), 1_000, "ms")
    show("  heap", heap_mb(page), 100, "MB")
    show("  longest task", page.evaluate("longest"), 100, "ms")
    page.close()


def evaluation_of_many_rows(system: System) -> int:
    """Return an evaluation that an outside worker reported."""
    model = system.request("POST", "/models", json={"name": "judged", "base_model": "base"}).json()["ID"]
    system.request("PUT", f"/models/{model}/files/adapter_config.json", data=b"{}").raise_for_status()
    system.request("PUT", f"/models/{model}", json={"status": "ready"}).raise_for_status()
    test_set = json.dumps([{"input": str(number), "expected": "ab"[number % 2]} for number in range(ROWS)])
    system.request("PUT", "/datasets/large.json", data=test_set.encode()).raise_for_status()
    examples = [
        {
            "input": str(number),
            "expected": "ab"[number % 2],
            "base_model_output": "a",
            "fine_tuned_output": "ab"[(number % 7 == 0) ^ (number % 2)],
        }
        for number in range(ROWS)
    ]
    results = {role: {"accuracy": 0.5} for role in ("base_model", "fine_tuned")}
    report = {"status": "completed", "results": results, "examples": examples}
    begun = system.request("POST", f"/models/{model}/evaluate", json={"test_set_path": "datasets/large.json"})
    evaluation: int = begun.json()["evaluation_id"]
    body = json.dumps(report, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json"}
    system.request("PUT", f"/evaluations/{evaluation}", data=body, headers=headers).raise_for_status()
    return evaluation


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        # Nothing is there: our own worker waits, and leaves the evaluation to be reported.
        system = start_system(Path(folder) / "data", INFERENCE_URL="http://127.0.0.1:1/v1")
        try:
            system.wait_until_ready()
            executable = shutil.which("chromium") or "chromium"
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
            jobs = Jobs(system)
            follow_a_fast_log(browser, system, jobs)
            draw_a_long_curve(browser, system, jobs)
            scroll_a_long_log(browser, system, jobs)
            list_many_models(browser, system)
            show_a_large_evaluation(browser, system)
            browser.close()
        finally:
            system.stop()


if __name__ == "__main__":
    main()
