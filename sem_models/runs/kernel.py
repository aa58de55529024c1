"""The kernel notebooks run in: this interpreter, whichever kernels the machine has installed.

Imports jupyter_client, so import this module only where a notebook is run.
"""

from __future__ import annotations

import sys

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager


class ThisInterpreter(AsyncKernelManager):
    """Starts ipykernel with `sys.executable`; nothing is installed or looked up."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The specification Jupyter would read from a kernel.json."""
        argv = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(
            argv=argv,
            display_name="Python 3",
            language="python",
            env={"PYTHONUTF8": "1"},
            # Code and results pass between the two processes; where both can, they are encrypted.
            metadata={"supported_encryption": ["curve"]},
        )
