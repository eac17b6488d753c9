#!/usr/bin/env python3
"""Speaks as much of vLLM's server as a pilot needs, in milliseconds; started in place of an environment's Python.

Models: "crash" ends at once, "hang" never gets healthy; LOADED names those that tell other weights than most.
Prompts: "refuse" gets status 400, "cut" a stream that breaks off. At "daze" all else fails too, as where an engine died;
at "die", to a server with the option that STAND_IN_DIES names, it ends soon after.
An option that STAND_IN_REFUSES names is refused, and with a VLLM_API_KEY every request, for none brings a key. What is not the server runs in the real Python.
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

if "vllm.entrypoints.openai.api_server" not in sys.argv:
    os.execv(os.environ["STAND_IN_PYTHON"], [os.environ["STAND_IN_PYTHON"], *sys.argv[1:]])
TOLD, DRAFT = "Model loading took 0.50 GiB memory and 1.0 seconds", "Draft weights loaded: 5 bytes"
LOADED = {
    "weighed": "Weights loaded: 7 bytes",
    "weighed, with a draft": f"{DRAFT}\nWeights loaded: 7 bytes",
    "told, with a draft": f"{TOLD}\n{DRAFT}",
    "only a draft": DRAFT,
    "too small to tell": TOLD.replace("0.50", "0.0"),
}
OPTIONS = dict(zip(sys.argv, sys.argv[1:], strict=False))


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    dazed = False

    def do_GET(self):
        self.send_response(503 if Handler.dazed else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"max_model_len": 512}]}).encode())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat = self.path.endswith("/chat/completions")
        prompt = body["messages"][0]["content"] if chat else body["prompt"]
        if prompt == "daze" or (prompt == "die" and os.environ.get("STAND_IN_DIES") in OPTIONS):
            Handler.dazed = True
        if prompt == "die" and Handler.dazed:
            threading.Timer(1.0, end).start()
        if os.environ.get("VLLM_API_KEY"):
            self.send_error(401)
            return
        if prompt == "refuse" or Handler.dazed:
            self.send_error(500 if Handler.dazed else 400)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for word in prompt.split():
            said = {"delta": {"content": word}} if chat else {"text": word}
            self.chunk({"choices": [{"index": 0, "finish_reason": None, **said}]})
        if prompt != "cut":
            count = len(prompt.split())
            usage = {"prompt_tokens": count, "completion_tokens": count, "total_tokens": 2 * count}
            self.chunk({"choices": [], "usage": usage})
            self.wfile.write(b"data: [DONE]\n\n")

    def chunk(self, content):
        common = {"id": "1", "object": "text_completion", "created": 0, "model": "pilot"}
        self.wfile.write(f"data: {json.dumps(common | content)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *arguments):
        pass


def end():
    print("RuntimeError: the engine died", flush=True)
    os._exit(0)


if OPTIONS["--model"] == "crash":
    sys.exit("no such model")
if os.environ.get("STAND_IN_REFUSES") in OPTIONS:
    sys.exit(f"{os.environ['STAND_IN_REFUSES']} is refused")
print(LOADED.get(OPTIONS["--model"], TOLD), flush=True)
if OPTIONS["--model"] == "hang":
    time.sleep(600)
ThreadingHTTPServer(("127.0.0.1", int(OPTIONS["--port"])), Handler).serve_forever()
