"""A page in Chromium, by PySide6's QtWebEngine: opens a file, measures it, photographs and prints it.

    python chromium_page.py PAGE FOLDER WIDTH [dark]

Writes page.png and page.pdf into FOLDER, and what was measured as one JSON line to standard output.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QTWEBENGINE_CHROMIUM_FLAGS"] = "--no-sandbox --disable-gpu --hide-scrollbars"
if "dark" in sys.argv[4:]:
    os.environ["QTWEBENGINE_CHROMIUM_FLAGS"] += " --blink-settings=preferredColorScheme=0"

from PySide6.QtCore import QEventLoop, QSize, QTimer, QUrl
from PySide6.QtWebEngineWidgets import QWebEngineView
from PySide6.QtWidgets import QApplication

MEASURE = """(() => {
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.data.trim() || node.parentElement.closest("title, thead, details:not([open])")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects())
      texts.push({text: node.data.trim().slice(0, 60), left: box.left, right: box.right, height: box.height});
  }
  const charts = [...document.querySelectorAll("svg")].map(one => {
    const box = one.getBoundingClientRect();
    const letters = [...one.querySelectorAll("text")].map(text => text.getBoundingClientRect());
    return {width: box.width, height: box.height, left: box.left, right: box.right,
      smallest: Math.min(...letters.map(letter => letter.height)),
      outside: letters.filter(letter => letter.left < box.left - 1 || letter.right > box.right + 1
        || letter.top < box.top - 1 || letter.bottom > box.bottom + 1).length};
  });
  return JSON.stringify({width: window.innerWidth, scroll_width: document.documentElement.scrollWidth,
    height: document.documentElement.scrollHeight, background: getComputedStyle(document.body).backgroundColor,
    texts, charts});
})()"""


def waited(start, seconds=60):
    """Runs the event loop until `start` hands something to the function it is given."""
    loop, found = QEventLoop(), []

    def done(*values):
        found.extend(values)
        loop.quit()

    QTimer.singleShot(1000 * seconds, loop.quit)
    start(done)
    loop.exec()
    if not found:
        raise TimeoutError(f"Chromium must answer within {seconds} seconds")
    return found


def pause(seconds):
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


def main(page, folder, width):
    application = QApplication(sys.argv[:1])
    view = QWebEngineView()
    view.resize(QSize(width, 900))
    view.show()

    def load(done):
        view.loadFinished.connect(done)
        view.load(QUrl.fromLocalFile(str(page.resolve())))

    (loaded,) = waited(load)
    if not loaded:
        raise OSError(f"{page} could not be loaded")
    (measured,) = waited(lambda done: view.page().runJavaScript(MEASURE, 0, done))
    measured = json.loads(measured)
    view.resize(QSize(width, min(16_000, measured["height"])))
    pause(1.0)
    view.grab().save(str(folder / "page.png"))

    def to_pdf(done):
        view.page().pdfPrintingFinished.connect(done)
        view.page().printToPdf(str(folder / "page.pdf"))

    printed = waited(to_pdf)
    print(json.dumps(measured | {"printed": printed[-1]}))
    view.close()
    application.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    os._exit(0)  # Qt's web process may hang at exit once all is written
