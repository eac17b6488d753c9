"""Templates of pages: every text in them is escaped, and a name that is missing is an error."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from hola_plugins.page import figures


def page_environment(package: str) -> Environment:
    """Gives what renders the templates of a package, which may extend ``frame.html.jinja``.

    Args:
        package: Dotted name of the package that the templates lie in.
    """
    loader = ChoiceLoader([PackageLoader(package, "."), PackageLoader("hola_plugins.page", ".")])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "bytes": figures.in_bytes,
        "number": figures.number,
        "duration": figures.duration,
        "words": figures.words,
    }
    return environment
