"""Folders of documents, indexed and asked: what is behind `hola index` and `hola ask`."""
