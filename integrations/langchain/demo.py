"""Answer a question over this project's own documentation, with the embedded model served by vLLM with HSD.

python integrations/langchain/demo.py "What happens when drafting does not pay?"
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

import httpx
import rag_chain
from rich.console import Console

from hola_plugins.corpus.answer_view import render_answer
from hola_plugins.corpus.asking import open_index

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUDGET = 300
"""Tokens of passages; the embedded model's tokens are short, and it takes 1,024 of them in all."""


def copy_documentation(folder: Path) -> None:
    """Copies the project's markdown files, with their places."""
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("integrations/*/README.md")]:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def _ask_directly(host: str) -> None:
    """Has the clients of this process ask a host past the proxies of the environment; ``*``, alone, names every host."""
    own = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    if own != "*":
        os.environ["no_proxy"] = f"{own},{host}" if own else host


class Server:
    """The model of integrations/vllm/serve.yaml behind HTTP, started at once and waited for when it is needed."""

    def __init__(self) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self._address = f"http://127.0.0.1:{one.getsockname()[1]}"
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--config", str(ROOT / "integrations" / "vllm" / "serve.yaml"), "--host", "127.0.0.1"]
        command += ["--port", self._address.rpartition(":")[2]]
        command += ["--chat-template", str(HERE / "plain_chat.jinja")]
        _ask_directly("127.0.0.1")
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "VLLM_API_KEY": ""},
            start_new_session=True,
            stdout=self._messages,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        elif self._process.returncode:
            self._messages.seek(0)
            sys.stderr.write(self._messages.read().decode(errors="replace")[-3000:])
        self._process.wait(timeout=60)
        self._messages.close()

    def ready(self) -> str:
        """Waits until it answers; gives the address of the API."""
        for _ in range(600):
            if self._process.poll() is not None:
                status = self._process.returncode
                raise SystemExit(f"the server ended with status {status}; its last messages follow")
            try:
                httpx.get(f"{self._address}/health", timeout=2).raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.5)
            else:
                return f"{self._address}/v1"
        raise SystemExit("the server did not come up in five minutes")


def main() -> None:
    """Indexes, shows the retriever's decision, then the chain's answer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("question", nargs="?", default="What happens when drafting does not pay?")
    question = parser.parse_args().question
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as name, Server() as server:
        copy_documentation(Path(name))
        subprocess.run([sys.executable, "-m", "hola_plugins.cli", "index", name], cwd=ROOT, check=True)
        index = open_index(Path(name))
        console.print(render_answer(index.ask(question, budget=BUDGET)))
        console.print("\nwaiting for vLLM with HSD ...", style="dim")
        url = server.ready()
        model = rag_chain.served_model(url, max_tokens=48)
        count = rag_chain.token_counter(url, model.model_name)
        retriever = index.retriever(token_budget=BUDGET, length_function=count)
        result = rag_chain.build_chain(retriever, model).invoke({"question": question})
    console.print(
        "\nThe embedded model's answer (a toy of 1.4 M parameters: judge the passages, not its words)"
    )
    console.print(result["answer"].strip(), style="bold", markup=False)
    console.print("", *rag_chain.citations(result["answer"], result["documents"]), sep="\n", markup=False)


if __name__ == "__main__":
    main()
