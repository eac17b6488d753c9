"""LangChain's own tests of a vector store, whole, over every kind of index."""

from __future__ import annotations

from typing import Literal

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from hola_plugins.langchain import FaissStore


class _FaissStoreTests(VectorStoreIntegrationTests):
    kind: Literal["flat", "ivf", "hnsw"]

    @pytest.fixture
    def vectorstore(self) -> VectorStore:
        return FaissStore(self.get_embeddings(), index=self.kind)


class TestFlat(_FaissStoreTests):
    kind = "flat"


class TestIvf(_FaissStoreTests):
    kind = "ivf"


class TestHnsw(_FaissStoreTests):
    kind = "hnsw"
