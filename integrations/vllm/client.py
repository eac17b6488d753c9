"""Stream a completion from a vLLM server with the OpenAI client; the server's HSD needs nothing from it.

python integrations/vllm/client.py --url http://localhost:8000/v1 "def add(a, b):"
"""

from __future__ import annotations

import argparse

from openai import OpenAI


def main() -> None:
    """Prints the answer as it comes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prompt", help="what the model continues")
    parser.add_argument(
        "--url", default="http://localhost:8000/v1", help="the server (default: port 8000 here)"
    )
    parser.add_argument("--tokens", type=int, default=64, help="most new tokens (default: 64)")
    options = parser.parse_args()

    client = OpenAI(base_url=options.url, api_key="none")
    model = client.models.list().data[0].id
    stream = client.completions.create(
        model=model, prompt=options.prompt, max_tokens=options.tokens, temperature=0.0, stream=True
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].text, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
