"""Unit tests reach no network, but for the loopback with `socket_enabled`; examples take the time of a busy machine."""

import pytest
from hypothesis import settings
from pytest_socket import disable_socket

settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def _no_network(request):
    if "socket_enabled" not in request.fixturenames:
        disable_socket(allow_unix_socket=True)
