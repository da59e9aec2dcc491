"""A headless Chromium that downloads; one that stopped is resumed by the button on its page of downloads."""

import json
import os
import select
import shutil
import subprocess
import time

_COMPLETE = 2
_RESUME = """(async () => {
    const manager = document.querySelector('downloads-manager');
    const item = manager?.shadowRoot?.querySelector('downloads-item');
    const menu = item?.shadowRoot?.querySelector('#more-actions');
    if (!menu || !item.data?.resume) return [item?.data?.state ?? null, false];
    menu.click();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const resume = item.shadowRoot.querySelector('#pause-or-resume');
    resume?.click();
    return [item.data.state, Boolean(resume)];
})()"""
"""Resumes the one download if it stopped; gives its state, and whether it had stopped. The page may be half there."""

_FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


class Chromium:
    """A browser that saves to ``folder / "saved"``; close it."""

    def __init__(self, folder):
        self.saved = folder / "saved"
        self.interruptions = 0
        read_commands, self._commands = os.pipe()
        self._answers, write_answers = os.pipe()
        self._pending, self._number = b"", 0
        shell = f'exec 3<&{read_commands} 4>&{write_answers}; exec "$@"'
        browser = [shutil.which("chromium") or "chromium", *_FLAGS, f"--user-data-dir={folder}/profile"]
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *browser, "--remote-debugging-pipe", "about:blank"],
            pass_fds=(read_commands, write_answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(read_commands)
        os.close(write_answers)

    def close(self):
        self._process.terminate()
        self._process.wait(60)
        os.close(self._commands)
        os.close(self._answers)

    def download(self, url, seconds):
        """Save the URL, however often that is interrupted, within so many seconds."""
        deadline = time.monotonic() + seconds
        self._call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.saved))
        self._call("Page.navigate", self._open_tab("about:blank"), url=url)
        downloads = self._open_tab("chrome://downloads")
        state = None
        while state != _COMPLETE:
            assert time.monotonic() < deadline, (
                f"the download did not end: state {state}, resumed {self.interruptions} times"
            )
            time.sleep(0.5)  # as someone who looks at the page
            asked = {"expression": _RESUME, "awaitPromise": True, "returnByValue": True}
            state, stopped = self._call("Runtime.evaluate", downloads, **asked)["result"]["value"]
            self.interruptions += stopped

    def _open_tab(self, url):
        target = self._call("Target.createTarget", url=url)["targetId"]
        return self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def _call(self, method, session=None, **params):
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = self._next_message()
            if message.get("id") == self._number:
                return message["result"]
        raise AssertionError(f"no answer to {method}")

    def _next_message(self):
        """The next message, or an empty one after a second without."""
        while b"\0" not in self._pending:
            if not select.select([self._answers], [], [], 1)[0]:
                return {}
            self._pending += os.read(self._answers, 2**16)
        text, _, self._pending = self._pending.partition(b"\0")
        return json.loads(text)
