"""Which files are found, and what is read out of them."""

from __future__ import annotations

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


def test_links_out_of_the_folder_are_left_out(folder, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "in.txt").symlink_to(folder / "b.md")
    (folder / "dangling.txt").symlink_to(folder / "nothing")
    (folder / "loop").symlink_to(folder)
    assert names(find_files(folder)) == ["a.TXT", "b.md", "deep/er/c.pdf", "e.rst", "in.txt"]


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
        (b"caf\xe9", "caf�"),
    ],
)
def test_text_is_read_as_utf_8(tmp_path, content, text):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert read_pages(path) == [Page(text)]


def test_binary_content_is_refused_and_blank_content_gives_nothing(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"MZ\0\0")
    with pytest.raises(UnreadableFileError, match="binary"):
        read_pages(tmp_path / "a.txt")
    (tmp_path / "b.txt").write_text(" \n")
    assert read_pages(tmp_path / "b.txt") == []


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
