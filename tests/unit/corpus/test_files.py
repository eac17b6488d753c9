"""Which files are found, and what is read out of them."""

from __future__ import annotations

import codecs
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdf_maker import pdf_bytes

from hola_plugins.corpus.chunks import split, version_of
from hola_plugins.corpus.files import Page, SourceFile, UnreadableFileError, find_files, read_pages


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "root"
    for name in ("b.md", "a.TXT", "deep/er/c.pdf", "code.py", ".hidden.md", ".git/d.md", "e.rst"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def names(files):
    return [file.name for file in files]


def test_text_markdown_and_pdf_are_found_and_hidden_files_are_not(folder):
    assert names(find_files(folder)) == ["a.TXT", "b.md", "deep/er/c.pdf", "e.rst"]


def test_patterns_choose(folder):
    assert names(find_files(folder, ["*.md", "deep/*"])) == ["b.md", "deep/er/c.pdf"]


def test_links_out_of_the_folder_or_nowhere_are_left_out(folder, tmp_path, caplog):
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "in.txt").symlink_to(folder / "b.md")
    (folder / "dangling.txt").symlink_to(folder / "nothing")
    (folder / "loop").symlink_to(folder)
    assert names(find_files(folder)) == ["a.TXT", "b.md", "deep/er/c.pdf", "e.rst", "in.txt"]
    assert "'dangling.txt' is left out: [Errno 2]" in caplog.text


def test_a_link_to_itself_is_left_out_and_logged(folder, caplog):
    (folder / "self.md").symlink_to(folder / "self.md")
    assert names(find_files(folder)) == ["a.TXT", "b.md", "deep/er/c.pdf", "e.rst"]
    assert "'self.md' is left out" in caplog.text


def test_what_is_no_folder_is_named(folder):
    with pytest.raises(ValueError, match=r"b\.md is no folder: give the folder"):
        find_files(folder / "b.md")


def test_pdf_pages_keep_their_numbers(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_bytes(["The first page", "", "The third page"]))
    assert [(page.text.strip(), page.number) for page in read_pages(path)] == [
        ("The first page", 1),
        ("The third page", 3),
    ]


@pytest.mark.parametrize(
    "content", [b"", b"no pdf", b"%PDF-1.4\nbroken", pdf_bytes(["x"])[:150], os.urandom(500)]
)
def test_a_damaged_pdf_is_refused_or_gives_nothing(tmp_path, content):
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="no readable PDF"):
        read_pages(path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xef\xbb\xbfmark", "mark"),
        ("naïve 漢字".encode(), "naïve 漢字"),
        (b"a \xef\xbf\xbd", "a �"),
        ("naïve 漢字".encode("utf-16"), "naïve 漢字"),
        (codecs.BOM_UTF16_BE + "naïve".encode("utf-16-be"), "naïve"),
    ],
)
def test_text_is_read_as_utf_8_or_as_utf_16_with_a_mark(tmp_path, content, text):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert read_pages(path) == [Page(text)]


@pytest.mark.parametrize(
    ("content", "text", "doubt"),
    [
        ("café, 5 €".encode("cp1252"), "café, 5 €", "no UTF-8 at byte 4, read as Windows-1252: save it"),
        (
            "„weiß“ heißt für Günther weiß".encode("cp1252"),
            "„weiß“ heißt für Günther weiß",
            "no UTF-8 at byte 1, read as Windows-1252: save it",
        ),
        (
            "LA LIBERTÉ\u00a0! Le café fermé".encode("cp1252"),
            "LA LIBERTÉ\u00a0! Le café fermé",
            "no UTF-8 at byte 20, read as Windows-1252: save it",
        ),
        (b"caf\xe9\x81", "café�", "no UTF-8 at byte 4, read as Windows-1252: save it"),
        ("naïve ".encode() + b"\xff", "naïve �", "damaged UTF-8 from byte 8 on"),
        ("� 漢".encode() + b"\xff", "� 漢�", "damaged UTF-8 from byte 8 on"),
    ],
)
def test_what_is_no_utf_8_is_read_with_a_doubt(tmp_path, content, text, doubt):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    (page,) = read_pages(path)
    assert page.text == text
    assert page.doubt is not None and page.doubt.startswith(doubt)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", b"MZ\0\0", "binary content in a text file"),
        ("a.txt", "utf-32".encode("utf-32"), "binary content in a text file"),
        ("a.txt", codecs.BOM_UTF16_LE + b"a", "damaged UTF-16 at byte 3"),
        ("a.txt", b" \n", "no text in it"),
        ("a.pdf", pdf_bytes(["", ""]), r"no text in it \(a scan\?\)"),
    ],
)
def test_what_gives_no_text_is_refused(tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFileError, match=why):
        read_pages(tmp_path / name)


@given(st.text(min_size=1, max_size=3000), st.integers(100, 500), st.sampled_from(["a.md", "a.txt"]))
def test_no_chunk_is_too_long_and_no_word_is_lost(tmp_path_factory, text, size, name):
    file = SourceFile(name, tmp_path_factory.getbasetemp() / name, len(text))
    chunks = split(file, version_of("0", size), [Page(text)], size)
    assert all(len(chunk.text) <= size for chunk in chunks)
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(text.split())
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert [chunk.metadata["part"] for chunk in chunks] == list(range(1, len(chunks) + 1))
    assert all(chunk.metadata["parts"] == len(chunks) for chunk in chunks)


def test_markdown_is_cut_at_headings(tmp_path):
    text = "# One\n\n" + "first " * 20 + "\n\n# Two\n\n" + "second " * 20
    file = SourceFile("a.md", tmp_path / "a.md", len(text))
    assert [chunk.text.split()[1] for chunk in split(file, "v", [Page(text)], 200)] == ["One", "Two"]


def test_the_version_follows_content_and_size():
    assert len({version_of("a", 800), version_of("b", 800), version_of("a", 801)}) == 3
