"""What `hola doctor` knows: the supported versions, the checks, and the remedies."""

from __future__ import annotations

from hola_plugins.doctor.diagnosis import diagnose
from hola_plugins.doctor.finding import Finding, Status, can_run

__all__ = ["Finding", "Status", "can_run", "diagnose"]
