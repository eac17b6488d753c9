"""One custom event a query, so that traces and event streams show why."""

from __future__ import annotations

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
    adispatch_custom_event,
    dispatch_custom_event,
)
from langchain_core.runnables import RunnableConfig

from hola_plugins.langchain.explanation import Explanation

EVENT = "adacomp.decision"
"""Name of the event; its data is `Explanation.as_json()`."""


def report(explanation: Explanation, run_manager: CallbackManagerForRetrieverRun) -> None:
    """Sends the event, if anyone listens."""
    if run_manager.handlers:
        config = RunnableConfig(callbacks=run_manager.get_child())
        dispatch_custom_event(EVENT, explanation.as_json(), config=config)


async def report_async(explanation: Explanation, run_manager: AsyncCallbackManagerForRetrieverRun) -> None:
    """Sends the event, if anyone listens."""
    if run_manager.handlers:
        config = RunnableConfig(callbacks=run_manager.get_child())
        await adispatch_custom_event(EVENT, explanation.as_json(), config=config)
