"""Unit tests reach no network; a test that serves on the loopback asks for `socket_enabled`."""

import pytest
from pytest_socket import disable_socket


@pytest.fixture(autouse=True)
def _no_network(request):
    if "socket_enabled" not in request.fixturenames:
        disable_socket(allow_unix_socket=True)
